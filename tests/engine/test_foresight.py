"""What a turn will read is read when its families are taken in hand, and nothing that is
not needed for sure."""

from __future__ import annotations

from typing import Any

import pytest
from engine_bench import Bench, pipeline, step

from tidelang.definition import Loop
from tidemill.engine.foresight import FEW, foresee
from tidemill.engine.plans import Plans
from tidemill.model.messages import Report, Result, Started
from tidemill.model.plan import make_plan
from tidemill.model.rows import StageRef, TaskRef
from tidemill.model.states import RunState
from tidemill.store.transaction import SqlTransaction

AHEAD = {"lock", "tasks", "stages", "tasks_of_stages", "active"}


def items(count: int) -> Loop:
    return Loop(("x",), ("list", tuple(("lit", n) for n in range(count))))


def started(ordinal: int) -> Report:
    return Started(TaskRef(1, ordinal), 1, "w", 1.0)


def ended(ordinal: int) -> Report:
    return Result(TaskRef(1, ordinal), 1, "w", 1.0, 2.0, "exited", exit_code=0)


async def test_a_chain_reads_nothing_by_itself_that_can_be_foreseen(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    fetch = SqlTransaction._fetch  # noqa: SLF001

    def counted(self: SqlTransaction, name: str, **values: Any) -> list[Any]:
        asked.append(name)
        return fetch(self, name, **values)

    monkeypatch.setattr(SqlTransaction, "_fetch", counted)
    run = bench.create(
        pipeline(step("a"), *[step(b, a) for a, b in zip("abcd", "bcde", strict=True)])
    )
    bench.drive(run, alone=False)
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED
    assert AHEAD.isdisjoint(asked)


def test_what_ends_foresees_the_stages_around_it_and_the_tasks_it_frees() -> None:
    plans = Plans()
    definition = pipeline(step("a"), step("b", "a"), step("c"), step("d", "b", "c"))
    plans.add(1, make_plan(definition, {}))
    found = foresee([ended(0), started(2)], plans)
    assert found.tasks == [TaskRef(1, 0), TaskRef(1, 2)]
    assert found.stages == [StageRef(1, 0), StageRef(1, 1)]
    assert found.tasks_of == [StageRef(1, 1)]
    assert foresee([ended(1)], plans).tasks_of == [], "the last one needs another one, too"


def test_no_long_lists_are_read_ahead_nor_what_one_of_many_may_not_free() -> None:
    plans = Plans()
    plans.add(1, make_plan(pipeline(step("a"), step("b", "a", loop=items(FEW + 1))), {}))
    assert foresee([ended(0)], plans).tasks_of == []
    plans.add(1, make_plan(pipeline(step("a", loop=items(2)), step("b", "a")), {}))
    assert foresee([ended(0)], plans).tasks_of == []


def test_of_what_is_not_known_only_the_tasks_are_read() -> None:
    plans = Plans()
    assert foresee([ended(0)], plans) == ([TaskRef(1, 0)], [], [])
    plans.add(1, make_plan(pipeline(step("a")), {}))
    assert foresee([ended(7)], plans).stages == [], "others have made more of it"
