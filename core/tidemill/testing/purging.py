"""What every store has to do when old runs are removed: part of the suite of stores."""

# ruff: noqa: S101 -- asserts are what tests are made of

from __future__ import annotations

from typing import Any

import pytest

from tidemill.model.outputs import FILES
from tidemill.model.rows import (
    AttemptRow,
    DecisionRow,
    EventRow,
    ExpansionRow,
    NoticeRow,
    PipelineRow,
    ScheduleRow,
    TaskRow,
)
from tidemill.model.states import RunState, TaskState
from tidemill.ports import Transaction
from tidemill.testing.store_rows import RUN, DirectStore, fill, task

OF_RUNS = (
    "run",
    "stage",
    "task",
    "attempt",
    "approval",
    "expansion",
    "outbox",
    "condemned",
    "notice",
)

Run = dict[str, Any]


def ended(at: float, state: RunState = RunState.SUCCEEDED, **fields: Any) -> Run:
    return {"state": state, "ended_at": at, "excluded": (), "size": 2, **fields}


def failed(at: float, **fields: Any) -> Run:
    return ended(at, RunState.FAILED, **fields)


def make(store: DirectStore, *runs: Run) -> list[int]:
    """Runs with a task each, and something of everything; their numbers."""

    def work(tx: Transaction) -> list[int]:
        tx.add_definition("d1", "p", b"{}", 1.0)
        numbers = []
        for run in runs:
            before = RUN._replace(**{**run, "state": RunState.RUNNING, "ended_at": None})
            number = tx.new_runs([before])[0]
            before = before._replace(number=number)
            if run.get("ended_at") is not None:
                after = before._replace(state=run["state"], ended_at=run["ended_at"])
                tx.save_runs([(before, after)])
            _furnish(tx, number)
            numbers.append(number)
        return numbers

    return store.transact_now(work)


def _furnish(tx: Transaction, run: int) -> None:
    rows = [TaskRow(run, i, 0, f"t{i}", TaskState.SUCCEEDED) for i in range(2)]
    tx.insert([], rows)
    tx.expand([ExpansionRow(run, 0, 1, ["list", []])], [])
    tx.save_attempts([AttemptRow(run, i, 1, 1, "w", 1.0) for i in range(2)])
    tx.record([EventRow(1.0, "task", run, i, {}) for i in range(4)])
    tx.tell([NoticeRow(0, run, 0, "failed", 1.0, RunState.FAILED, due_at=1.0)])
    tx.decide(DecisionRow(run, 0, True, "anna", "", "", 1.0))


def condemn(store: DirectStore, before: float = 100.0, limit: int = 99) -> list[int]:
    """Which runs are condemned by it."""
    store.transact_now(lambda tx: tx.condemn("p", before, limit))
    return sorted(store.transact_now(lambda tx: tx.condemned(99)))


class PurgingConformance:
    def count(self, store: DirectStore, table: str) -> int:
        """How many rows a table of the database has."""
        raise NotImplementedError

    def test_what_is_removed_leaves_nothing_and_takes_nothing_of_others(
        self, store: DirectStore
    ) -> None:
        make(store, ended(5.0), ended(6.0))
        store.transact_now(lambda tx: tx.signal(1))
        kept = store.transact_now(lambda tx: tx.all_tasks(2))
        assert condemn(store) == [1]
        assert store.transact_now(lambda tx: tx.remove([1], 99)) > 0
        assert store.transact_now(lambda tx: tx.runs([1])) == []
        assert store.transact_now(lambda tx: tx.all_tasks(2)) == kept
        of_one = {name: self.count(store, name) for name in (*OF_RUNS, "signal")}
        assert of_one == {
            "run": 1, "stage": 0, "task": 2, "attempt": 2, "approval": 1, "expansion": 1,
            "outbox": 4, "condemned": 0, "signal": 0, "notice": 1,
        }  # fmt: skip

    @pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 99])
    def test_all_files_in_use_are_found_page_by_page(self, store: DirectStore, limit: int) -> None:
        def files(*digests: str) -> dict[str, Any]:
            return {FILES: [{"name": "x", "digest": digest, "size": 1} for digest in digests]}

        outputs = [{"a": files("d1", "d2"), "n": 1}, None, {"n": FILES}, {"b": files("d3")}, {}]
        rows = [
            TaskRow(1, i, 0, f"t{i}", TaskState.SUCCEEDED, outputs=each)
            for i, each in enumerate(outputs)
        ]
        fill(store, rows)
        found: list[str] = []
        after, pages = None, 0
        while pages == 0 or after is not None:
            used, after = store.transact_now(
                lambda tx, after=after: tx.files_in_use(after, limit)  # type: ignore[misc]
            )
            found, pages = [*found, *used], pages + 1
        assert sorted(found) == ["d1", "d2", "d3"]
        assert pages == 5 // limit + 1

    def test_no_more_rows_are_removed_at_a_time_than_are_asked_for(
        self, store: DirectStore
    ) -> None:
        make(store, ended(5.0), ended(6.0))
        condemn(store)
        sizes, rows = [], sum(self.count(store, name) for name in OF_RUNS)
        while store.transact_now(lambda tx: tx.condemned(9)):
            assert store.transact_now(lambda tx: tx.remove([1], 3)) <= 3
            before, rows = rows, sum(self.count(store, name) for name in OF_RUNS)
            sizes.append(before - rows)
        assert sizes == [3, 3, 2 + 5], "the last takes the run's own row and what hangs on it"

    def test_who_dies_in_between_leaves_what_the_next_one_goes_on_with(
        self, store: DirectStore
    ) -> None:
        make(store, ended(5.0), ended(6.0))
        assert condemn(store) == [1]
        store.transact_now(lambda tx: tx.remove([1], 3))
        assert store.transact_now(lambda tx: tx.is_condemned(1))
        assert not store.transact_now(lambda tx: tx.is_condemned(2))
        assert condemn(store) == [1]

    @pytest.mark.parametrize(
        ("runs", "gone"),
        [
            ([ended(5.0), ended(200.0)], [1]),
            ([ended(150.0), ended(200.0)], []),
            ([ended(5.0)], []),  # the latest of its pipeline
            ([ended(5.0), failed(6.0)], []),  # the latest success
            ([failed(5.0), ended(6.0), failed(7.0)], [1]),
            ([ended(4.0), ended(5.0), failed(6.0)], [1]),
            ([ended(5.0), ended(6.0, excluded=(1,)), failed(7.0)], [2]),  # not all of it
            ([ended(5.0), ended(6.0, picked=("a",)), failed(7.0)], [2]),
            ([failed(5.0), failed(6.0, retry_of=1), ended(7.0)], [2]),  # the retry goes first
            ([failed(5.0), {"retry_of": 1}, ended(7.0)], []),
            ([ended(5.0), {"root": 1, "parent": 1, "parent_task": 0}, ended(7.0)], []),
            ([ended(5.0), ended(4.0, root=1, parent=1, parent_task=0), ended(7.0)], [1, 2]),
            ([{}, ended(4.0, root=1, parent=1, parent_task=0), ended(7.0)], []),
            ([ended(5.0), ended(6.0, pipeline="q"), ended(7.0)], [1]),
            ([{"state": RunState.PENDING}, ended(6.0)], []),
        ],
    )
    def test_only_what_is_old_and_wanted_by_nothing_is_condemned(
        self, store: DirectStore, runs: list[Run], gone: list[int]
    ) -> None:
        make(store, *runs)
        whole = store.transact_now(lambda tx: tx.expendable("p", 100.0))
        assert condemn(store) == gone
        retried = [runs[number - 1] for number in gone if "retry_of" in runs[number - 1]]
        in_the_end = len(gone) + len(retried)  # what they are retries of goes after them
        assert whole == (in_the_end, 2 * in_the_end)

    def test_the_latest_run_of_a_schedule_stays_so_that_no_time_is_fired_again(
        self, store: DirectStore
    ) -> None:
        def schedule(tx: Transaction) -> int:
            tx.add_definition("d1", "p", b"{}", 1.0)
            tx.save_pipeline(PipelineRow("p", "d1", "p.tide", 1.0, "anna"))
            tx.add_schedule(ScheduleRow(0, "p", "a", {}, 9.0, 9.0))
            return tx.schedules_of("p")[0].number

        number = store.transact_now(schedule)
        due = [ended(at + 1, schedule=number, due_at=at) for at in (5.0, 6.0, 7.0)]
        make(store, *due, ended(50.0))
        assert condemn(store) == [1, 2]
        store.transact_now(lambda tx: tx.remove([1, 2], 99))

        assert store.transact_now(lambda tx: tx.latest_due([number])) == {number: 7.0}
        store.transact_now(lambda tx: tx.drop_schedule(number))
        assert condemn(store) == [3]

    def test_the_oldest_go_first_and_those_beyond_a_number_are_known_by_their_end(
        self, store: DirectStore
    ) -> None:
        make(store, *(ended(at) for at in (3.0, 1.0, 2.0, 4.0)), {}, ended(9.0, pipeline="q"))
        ask = store.transact_now
        assert ask(lambda tx: tx.ended_before_the_last("p", 1)) == 4.0
        assert ask(lambda tx: tx.ended_before_the_last("p", 3)) == 2.0
        assert ask(lambda tx: tx.ended_before_the_last("p", 5)) is None
        assert ask(lambda tx: tx.pipelines_that_ran()) == ["p", "q"]
        assert condemn(store, limit=2) == [2, 3]
        assert condemn(store, before=3.0) == [2, 3]

    def test_definitions_go_when_no_run_and_no_pipeline_has_them(self, store: DirectStore) -> None:
        def work(tx: Transaction) -> None:
            for digest in ("d2", "d3", "d4"):
                tx.add_definition(digest, "p", b"{}", 1.0)
            tx.save_pipeline(PipelineRow("p", "d2", "p.tide", 1.0, "anna"))

        fill(store, [task(0)])
        store.transact_now(work)
        assert sorted(store.transact_now(lambda tx: tx.used_definitions())) == ["d1", "d2"]
        assert sorted(store.transact_now(lambda tx: tx.idle_definitions())) == ["d3", "d4"]
        store.transact_now(lambda tx: tx.drop_definitions(["d4"]))
        assert store.transact_now(lambda tx: tx.idle_definitions()) == ["d3"]
