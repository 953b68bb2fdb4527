"""Every state has a word and a look, and every ending a reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tidemill.cli import exits, words
from tidemill.model.states import RunState, TaskState
from tidemill.model.views import TaskView

MakeTask = Callable[..., TaskView]


def test_every_task_state_has_a_look_with_an_ascii_form() -> None:
    assert set(words.LOOKS) == set(TaskState)
    assert all(look.plain_symbol.isascii() for look in words.LOOKS.values())


@pytest.mark.parametrize(
    ("code", "detail", "reason"),
    [
        (None, "", ""),
        (0, "", ""),
        (2, "", "exit code 2"),
        (127, "", "exit code 127 (command not found)"),
        (126, "", "exit code 126 (the command cannot be executed)"),
        (137, "", "exit code 137 (128 + 9: SIGKILL)"),
        (255, "", "exit code 255"),
        (None, "stopped after 5 s", "stopped after 5 s"),
        (2, "exit code 2", "exit code 2"),
        (1, "the tests failed", "exit code 1; the tests failed"),
    ],
)
def test_the_reason_of_an_ending(
    make_task: MakeTask, code: int | None, detail: str, reason: str
) -> None:
    task = make_task("unit", TaskState.FAILED, exit_code=code, detail=detail)
    assert words.reason(task) == reason


@pytest.mark.parametrize(
    ("state", "signal", "code"),
    [
        (RunState.SUCCEEDED, None, 0),
        (RunState.SUCCEEDED, 2, 0),
        (RunState.FAILED, None, 1),
        (RunState.CANCELLED, None, 130),
        (RunState.CANCELLED, 2, 130),
        (RunState.CANCELLED, 15, 143),
        (RunState.CANCELLED, 1, 129),
    ],
)
def test_the_exit_code_of_a_run(state: RunState, signal: int | None, code: int) -> None:
    assert exits.of_run(state, signal) == code
