"""Rows as the driver gives them, as values, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tidemill.model.rows import (
    RunRow,
    TaskRow,
)
from tidemill.model.states import RunState, TaskState
from tidemill.store.batch import as_json, from_json

_TASK_STATES = {state.value: state for state in TaskState}


class Rows:
    """Rows as the driver gives them, as values: columns stand in the order of the fields."""

    def __init__(self, dialect: str) -> None:
        # PostgreSQL's driver has read what is JSON already.
        self.json: Callable[[Any], Any] = from_json if dialect == "sqlite" else _as_it_is

    def run(self, row: Sequence[Any]) -> RunRow:
        found = RunRow(*row)
        return found._replace(
            state=RunState(found.state),
            params=self.json(found.params),
            excluded=tuple(self.json(found.excluded)),
            picked=tuple(self.json(found.picked)),
            fresh=bool(found.fresh),
            queued=bool(found.queued),
            pooled=bool(found.pooled),
            told=bool(found.told),
            cause=self.json(found.cause),
        )

    def task(self, row: Sequence[Any]) -> TaskRow:
        values = list(row)
        values[_STATE] = _TASK_STATES[values[_STATE]]
        values[_LIMITED] = bool(values[_LIMITED])
        if values[_OUTPUTS] is not None:
            values[_OUTPUTS] = self.json(values[_OUTPUTS])
        return TaskRow(*values)


_STATE, _OUTPUTS, _LIMITED = map(TaskRow._fields.index, ("state", "outputs", "limited"))


def _as_it_is(value: Any) -> Any:
    return value


def run_row(row: Any) -> RunRow:
    values = dict(row)
    values["state"] = RunState(values["state"])
    values["excluded"] = tuple(values["excluded"])
    values["picked"] = tuple(values["picked"])
    return RunRow(**values)


def task_row(row: Any) -> TaskRow:
    values = dict(row)
    values["state"] = _TASK_STATES[values["state"]]
    return TaskRow(**values)


def run_values(run: RunRow) -> tuple[Any, ...]:
    """For a batch of new ones, without the number."""
    _, *values = run._replace(
        state=run.state.value,  # type: ignore[arg-type]
        params=as_json(dict(run.params)),  # type: ignore[arg-type]
        excluded=as_json(run.excluded),  # type: ignore[arg-type]
        picked=as_json(run.picked),  # type: ignore[arg-type]
        cause=as_json(dict(run.cause)),  # type: ignore[arg-type]
    )
    return tuple(values)


def task_values(task: TaskRow) -> tuple[Any, ...]:
    """For a batch of new ones."""
    return task._replace(state=task.state.value, outputs=as_json(task.outputs))  # type: ignore[arg-type]
