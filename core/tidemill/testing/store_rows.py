"""Rows for the suites of stores: a run, its tasks, and a store that holds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from tidemill.model.rows import RunRow, StageRow, TaskRow
from tidemill.model.states import RunState, TaskState
from tidemill.ports import Transaction

T = TypeVar("T")

RUN = RunRow(
    0, "d1", "p", "p.tide", RunState.RUNNING, 1.0, params={"x": [1]}, open=2, excluded=(3,)
)
AWKWARD = {"n": 1, "text": "ü\u0000\ud800 '\"\\", "files": {"$files": [{"name": "ü", "size": 2}]}}
"""What a step may put out, and a database may stumble over."""


class DirectStore(Protocol):
    """A store whose transactions a test runs one after the other."""

    def transact_now(self, work: Callable[[Transaction], T]) -> T: ...


def task(ordinal: int, state: TaskState = TaskState.READY, **fields: Any) -> TaskRow:
    row = TaskRow(1, ordinal, ordinal % 2, f"t{ordinal}", state, run_at=5.0, pool="default")
    return row._replace(**fields)


def fill(store: DirectStore, tasks: list[TaskRow], **run: Any) -> int:
    """A run with two stages and these tasks."""

    def work(tx: Transaction) -> int:
        tx.add_definition("d1", "p", b"{}", 1.0)
        number = tx.new_runs([RUN._replace(**run)])[0]
        tx.insert([StageRow(number, 0, 0, 1), StageRow(number, 1, 1, 1, tasks=2)], tasks)
        return number

    return store.transact_now(work)
