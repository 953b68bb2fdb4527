"""The transition table: the only place where runs and tasks change state.

Pure functions `(state, event) -> (state, effects)`, without IO. What is not in the
table does not happen: `IllegalTransitionError` is a bug, and loud. Ended states have no way
out, so a late or repeated message can never undo a result.

`tidemill.model.diagram` draws the picture in the docs from these tables.
"""

from __future__ import annotations

from enum import StrEnum, auto
from typing import NamedTuple

from tidemill.model.states import RunState, TaskState


class TaskEvent(StrEnum):
    """What can happen to a task."""

    UNBLOCK = auto()
    """All that it needs has ended, and its `when` lets it run."""
    SKIP = auto()
    """Its `when` is false, something it needs was skipped, or it was not selected."""
    FAIL_UPSTREAM = auto()
    """Something it needs failed."""
    CARRY = auto()
    """An earlier run's result is taken over."""
    EXPAND = auto()
    """It stood for the tasks of a fan-out, whose list is known now."""
    ASK = auto()
    """People are asked whether it may be."""
    APPROVE = auto()
    REJECT = auto()
    DELEGATE = auto()
    """It is handed over to a run of its own."""
    DISPATCH = auto()
    """It is offered to workers."""
    VOID = auto()
    """Its offer was withdrawn before any worker claimed it, or before whoever had reserved a
    slot for it began."""
    RESERVE = auto()
    """A worker has claimed it ahead of the time that it is due at: it gets ready."""
    REFUSE = auto()
    """Its work cannot be put together: a value is missing or cannot be passed."""
    START = auto()
    """A worker has claimed it, and begins."""
    SUCCEED = auto()
    FAIL = auto()
    TIME_OUT = auto()
    LOSE = auto()
    """Its lease ended, or its worker says that it lost it."""
    RETRY = auto()
    """An attempt ended badly, and there is another one."""
    CANCEL = auto()


class RunEvent(StrEnum):
    """What can happen to a run."""

    START = auto()
    CANCEL = auto()
    SUCCEED = auto()
    FAIL = auto()
    END_CANCELLED = auto()


class Effect(StrEnum):
    """What else a transition brings about; the engine carries it out in the same
    transaction."""

    NEW_FENCE = auto()
    """The fence rises: results and claims of before are void."""
    NEW_ATTEMPT = auto()
    """The attempt's number rises."""
    UNCOUNT = auto()
    """The attempt did not happen: its number falls again."""
    LEASE = auto()
    """`run_at` becomes the end of a lease."""
    WAIT = auto()
    """`run_at` becomes the time from which it may be dispatched."""
    LIMIT = auto()
    """`run_at` becomes the time until which people may decide, or a run may take; None if
    they may take for ever."""
    END = auto()
    """The task has ended: its timer is cleared, and what needs it is looked at."""


class IllegalTransitionError(Exception):
    """An event came that the table has no entry for."""

    def __init__(self, state: StrEnum, event: StrEnum) -> None:
        super().__init__(f"{event.value!r} is not possible in state {state.value!r}")


class TaskMove(NamedTuple):
    state: TaskState
    effects: frozenset[Effect]


def _to(state: TaskState, *effects: Effect) -> TaskMove:
    return TaskMove(state, frozenset(effects))


_S, _E = TaskState, TaskEvent

TASK_TABLE: dict[tuple[TaskState, TaskEvent], TaskMove] = {
    (_S.BLOCKED, _E.UNBLOCK): _to(_S.READY, Effect.WAIT),
    (_S.BLOCKED, _E.SKIP): _to(_S.SKIPPED, Effect.END),
    (_S.BLOCKED, _E.FAIL_UPSTREAM): _to(_S.UPSTREAM_FAILED, Effect.END),
    (_S.BLOCKED, _E.CARRY): _to(_S.SUCCEEDED, Effect.END),
    (_S.BLOCKED, _E.EXPAND): _to(_S.EXPANDED, Effect.END),
    (_S.BLOCKED, _E.SUCCEED): _to(_S.SUCCEEDED, Effect.END),
    (_S.BLOCKED, _E.REFUSE): _to(_S.FAILED, Effect.END),
    (_S.BLOCKED, _E.CANCEL): _to(_S.CANCELLED, Effect.END),
    (_S.READY, _E.DISPATCH): _to(_S.QUEUED, Effect.NEW_FENCE, Effect.NEW_ATTEMPT, Effect.LEASE),
    (_S.READY, _E.CANCEL): _to(_S.CANCELLED, Effect.END),
    (_S.READY, _E.ASK): _to(_S.AWAITING_APPROVAL, Effect.LIMIT),
    (_S.AWAITING_APPROVAL, _E.APPROVE): _to(_S.SUCCEEDED, Effect.END),
    (_S.AWAITING_APPROVAL, _E.REJECT): _to(_S.FAILED, Effect.END),
    (_S.AWAITING_APPROVAL, _E.TIME_OUT): _to(_S.TIMED_OUT, Effect.END),
    (_S.AWAITING_APPROVAL, _E.CANCEL): _to(_S.CANCELLED, Effect.END),
    (_S.READY, _E.REFUSE): _to(_S.FAILED, Effect.END),
    (_S.READY, _E.DELEGATE): _to(_S.DELEGATED, Effect.NEW_FENCE, Effect.NEW_ATTEMPT, Effect.LIMIT),
    (_S.DELEGATED, _E.SUCCEED): _to(_S.SUCCEEDED, Effect.END),
    (_S.DELEGATED, _E.FAIL): _to(_S.FAILED, Effect.END),
    (_S.DELEGATED, _E.TIME_OUT): _to(_S.TIMED_OUT, Effect.END),
    (_S.DELEGATED, _E.RETRY): _to(_S.READY, Effect.WAIT),
    (_S.DELEGATED, _E.CANCEL): _to(_S.CANCELLED, Effect.END),
    (_S.QUEUED, _E.REFUSE): _to(_S.FAILED, Effect.END),
    (_S.QUEUED, _E.START): _to(_S.RUNNING, Effect.LEASE),
    (_S.QUEUED, _E.VOID): _to(_S.READY, Effect.UNCOUNT, Effect.WAIT),
    (_S.QUEUED, _E.RESERVE): _to(_S.RESERVED, Effect.LEASE),
    (_S.RESERVED, _E.START): _to(_S.RUNNING, Effect.LEASE),
    (_S.RESERVED, _E.VOID): _to(_S.READY, Effect.UNCOUNT, Effect.WAIT),
    (_S.RESERVED, _E.CANCEL): _to(_S.CANCELLED, Effect.END),
    (_S.QUEUED, _E.CANCEL): _to(_S.CANCELLED, Effect.NEW_FENCE, Effect.END),
    (_S.RUNNING, _E.CANCEL): _to(_S.CANCELLED, Effect.END),
    (_S.RUNNING, _E.LOSE): _to(_S.LOST, Effect.NEW_FENCE, Effect.END),
}
# A result can overtake the news that its attempt started, so these states take it, too.
for _state in (_S.QUEUED, _S.RESERVED, _S.RUNNING):
    TASK_TABLE |= {
        (_state, _E.SUCCEED): _to(_S.SUCCEEDED, Effect.END),
        (_state, _E.FAIL): _to(_S.FAILED, Effect.END),
        (_state, _E.TIME_OUT): _to(_S.TIMED_OUT, Effect.END),
        (_state, _E.RETRY): _to(_S.READY, Effect.NEW_FENCE, Effect.WAIT),
    }
for _state in (_S.QUEUED, _S.RESERVED):
    TASK_TABLE[_state, _E.LOSE] = _to(_S.LOST, Effect.NEW_FENCE, Effect.END)

RUN_TABLE: dict[tuple[RunState, RunEvent], RunState] = {
    (RunState.PENDING, RunEvent.START): RunState.RUNNING,
    (RunState.PENDING, RunEvent.CANCEL): RunState.CANCELLING,
    (RunState.RUNNING, RunEvent.CANCEL): RunState.CANCELLING,
    (RunState.RUNNING, RunEvent.SUCCEED): RunState.SUCCEEDED,
    (RunState.RUNNING, RunEvent.FAIL): RunState.FAILED,
    (RunState.CANCELLING, RunEvent.END_CANCELLED): RunState.CANCELLED,
}


def move_task(state: TaskState, event: TaskEvent) -> TaskMove:
    """The state that follows, and what it brings about.

    Raises:
        IllegalTransitionError: the table has no such entry.
    """
    try:
        return TASK_TABLE[state, event]
    except KeyError:
        raise IllegalTransitionError(state, event) from None


def move_run(state: RunState, event: RunEvent) -> RunState:
    """The run's state that follows.

    Raises:
        IllegalTransitionError: the table has no such entry.
    """
    try:
        return RUN_TABLE[state, event]
    except KeyError:
        raise IllegalTransitionError(state, event) from None
