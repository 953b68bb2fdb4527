"""The words, symbols and colours for states and endings: the same in every display."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Final

from tidemill.cli.text import clean
from tidemill.cli.times import moment
from tidemill.model.states import RunState, TaskState
from tidemill.model.views import LATE_WORDS, ApprovalView, RunView, TaskView

GOOD: Final = frozenset({TaskState.SUCCEEDED, TaskState.SKIPPED})
BAD: Final = frozenset({TaskState.FAILED, TaskState.TIMED_OUT, TaskState.LOST})


@dataclass(frozen=True, slots=True)
class Look:
    """How a state looks. Colour only repeats what symbol and word say."""

    symbol: str
    plain_symbol: str
    colour: str


LOOKS: Final = {
    TaskState.BLOCKED: Look("·", ".", "bright_black"),
    TaskState.READY: Look("○", "o", "bright_black"),
    TaskState.QUEUED: Look("○", "o", "bright_black"),
    TaskState.RESERVED: Look("◔", "o", "cyan"),
    TaskState.RUNNING: Look("●", ">", "cyan"),
    TaskState.AWAITING_APPROVAL: Look("?", "?", "yellow"),
    TaskState.DELEGATED: Look("●", ">", "cyan"),
    TaskState.SUCCEEDED: Look("✓", "+", "green"),
    TaskState.FAILED: Look("✗", "x", "red"),
    TaskState.TIMED_OUT: Look("✗", "x", "red"),
    TaskState.CANCELLED: Look("■", "!", "yellow"),
    TaskState.LOST: Look("✗", "x", "red"),
    TaskState.SKIPPED: Look("-", "-", "bright_black"),
    TaskState.UPSTREAM_FAILED: Look("-", "-", "yellow"),
    TaskState.EXPANDED: Look("·", ".", "bright_black"),
}

RUN_COLOURS: Final = {
    RunState.SUCCEEDED: "green",
    RunState.FAILED: "red",
    RunState.CANCELLED: "yellow",
    RunState.CANCELLING: "yellow",
}

_SHELL_STATUS: Final = {126: "the command cannot be executed", 127: "command not found"}


def word(state: TaskState | RunState) -> str:
    """A state as people read it: `timed out`."""
    return state.value.replace("_", " ")


def state_word(task: TaskView) -> str:
    """The word for a task's state: `cached` for one that was not run since the cache had
    its result."""
    return "cached" if task.cached_from is not None else word(task.state)


def attempts(task: TaskView) -> str:
    """`attempt 2/3`, where there is more than one to speak of. An attempt that was
    interrupted is made again without being counted among those that may fail."""
    if task.attempt > task.attempts:
        return f"attempt {task.attempt}"
    return f"attempt {task.attempt}/{task.attempts}" if task.attempts > 1 and task.attempt else ""


def unknown(task: TaskView) -> str:
    """When the tasks are known that this one stands for: `known when build has ended`."""
    if task.unknown_until is None:
        return ""
    steps = [clean(name) for name in task.unknown_until]
    if not steps:
        return "known when it runs"
    names = " and ".join([", ".join(steps[:-1]), steps[-1]] if len(steps) > 1 else steps)
    return f"known when {names} {'have' if len(steps) > 1 else 'has'} ended"


def whom(approval: ApprovalView) -> str:
    """Who may decide."""
    return " or ".join(map(clean, approval.by)) or "anybody"


def asked(approval: ApprovalView) -> str:
    """What is asked, of whom, until when; on one line."""
    until = "" if approval.until is None else f" until {moment(approval.until)}"
    return f"{clean(' '.join(approval.prompt.split()))} (asks {whom(approval)}{until})"


def reason(task: TaskView) -> str:
    """Why a task ended as it did, in words; empty where there is nothing to say."""
    if not task.exit_code or str(task.exit_code) in task.detail:
        return task.detail
    code = f"exit code {task.exit_code}{_meaning(task.exit_code)}"
    return f"{code}; {task.detail}" if task.detail else code


def _meaning(code: int) -> str:
    """What shells mean by an exit status."""
    if text := _SHELL_STATUS.get(code):
        return f" ({text})"
    if 128 < code < 128 + signal.NSIG:
        try:
            return f" (128 + {code - 128}: {signal.Signals(code - 128).name})"
        except ValueError:
            return ""
    return ""


def late(run: RunView) -> str:
    """What there is to say of a run's own deadline, in a word or two: it is missed, or was at
    risk last."""
    events = [found.event for found in run.late if not found.key]
    if "deadline_missed" in events:
        return "missed its deadline"
    return "" if not events or run.state.ended else LATE_WORDS[events[-1]]
