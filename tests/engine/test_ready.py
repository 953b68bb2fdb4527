"""The line of a run that is driven alone is that of a fleet: by place, over all stages."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.engine.ready import ReadyTasks
from tidemill.model.rows import StageRef, TaskRef, TaskRow
from tidemill.model.states import TaskState

NOW = 100.0
STEPS = 4


def task(ordinal: int, place: float, run_at: float) -> TaskRow:
    row: dict[str, Any] = dict.fromkeys(TaskRow._fields)
    row |= {"run": 1, "ordinal": ordinal, "step": ordinal % STEPS, "key": f"t{ordinal}"}
    row |= {"state": TaskState.READY, "place": place, "run_at": run_at}
    return TaskRow(**row)


PLACES = st.sampled_from([1.0, 2.0, 2.5, 3.0])
TIMES = st.sampled_from([NOW - 1, NOW, NOW + 1])
ADDED = st.tuples(st.just("add"), st.integers(0, 15), PLACES, TIMES)
REMOVED = st.tuples(st.just("remove"), st.integers(0, 15))
ASKED = st.tuples(st.just("ask"), st.integers(1, 20), st.sets(st.integers(0, STEPS - 1)))


@settings(max_examples=300, deadline=None)
@given(st.lists(ADDED | REMOVED | ASKED, max_size=40))
def test_the_first_are_those_of_the_lowest_place(events: list[tuple[Any, ...]]) -> None:
    ready, known = ReadyTasks(), dict[TaskRef, TaskRow]()
    for kind, *event in [*events, ("ask", 99, set())]:
        if kind == "add":
            row = task(*event)
            ready.add(row)
            known[row.ref] = row
        elif kind == "remove":
            ready.remove(TaskRef(1, *event))
            known.pop(TaskRef(1, *event), None)
        else:
            limit, steps = event
            rows = [r for r in known.values() if r.step not in steps and (r.run_at or 0) <= NOW]
            wanted = sorted(rows, key=lambda row: (row.place, row.ref))[:limit]
            full = {StageRef(1, step) for step in steps}
            assert ready.first(NOW, limit, full, ()) == [row.ref for row in wanted]
