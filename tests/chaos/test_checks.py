"""The checks of the chaos test find what they are there to find."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from chaos_checks import CheckedRun, Task
from chaos_shapes import Shape
from ledger import Ledger, read

SHAPE = Shape(limits={"each": 1}, limit=2, once=frozenset({"once"}), order=(("first", "second"),))


def problems(said: str, *tasks: Task) -> list[str]:
    """`said` has lines without the seconds' zeros: `each[0] 1 start 5`."""
    return CheckedRun("r", SHAPE, list(tasks), read(said.strip().splitlines())).problems()


def done(key: str, fence: int = 1, state: str = "succeeded") -> Task:
    return Task(1, key, state, fence, carried=False)


GOOD = """
first 1 start 1
first 1 alive 2
first 2 start 8
first 2 end 9
second 1 start 9.5
second 1 end 9.7
"""


def test_a_run_in_which_an_attempt_was_lost_and_followed_is_good() -> None:
    assert problems(GOOD, done("first", 2), done("second")) == []


@pytest.mark.parametrize(
    ("said", "task", "problem"),
    [
        ("", done("a"), "a counts as done by fence 1"),
        ("a 1 start 1", done("a"), "a counts as done by fence 1"),
        ("a 1 start 1\na 1 end 2", done("a", 2), "a counts as done by fence 2"),
        ("", done("a", state="running"), "a is running, and its run has ended"),
        ("", done("a", state="lost"), "a is lost"),
        ("a 1 start 1\na 1 alive 3\na 2 start 2\na 2 end 4", done("a", 2), "at the same time"),
        ("a 1 start 1\na 1 start 2\na 1 end 3", done("a"), "was started twice"),
        ("once 1 start 1\nonce 2 start 8\nonce 2 end 9", done("once", 2), "may be started once"),
        ("a 1 start 1\na 1 end 2", Task(1, "a", "succeeded", 0, carried=True), "and again"),
    ],
)
def test_a_task_that_breaks_a_promise_is_found(said: str, task: Task, problem: str) -> None:
    (found,) = problems(said, task)
    assert problem in found


def test_more_at_work_than_a_limit_allows_are_found() -> None:
    said = "".join(f"each[{n}] 1 start 1\neach[{n}] 1 end 2\n" for n in range(3))
    found = problems(said, *(done(f"each[{n}]") for n in range(3)))
    assert found == ["r: 3 of each at work, and 1 may be", "r: 3 of run at work, and 2 may be"]


def test_one_that_begins_when_another_ends_is_not_beside_it() -> None:
    said = "each[0] 1 start 1\neach[0] 1 end 2\neach[1] 1 start 2\neach[1] 1 end 3"
    assert problems(said, done("each[0]"), done("each[1]")) == []


def test_a_step_that_begins_before_what_it_needs_has_ended_is_found() -> None:
    found = problems(GOOD.replace("9.5", "8.5"), done("first", 2), done("second"))
    assert found == ["r: second began before first had ended"]


def test_steps_say_when_they_begin_live_and_end(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    output = tmp_path / "output"
    env = os.environ | {
        "TIDE_RUN": "7", "TIDE_STEP": "a[0]", "TIDE_FENCE": "3", "TIDE_ATTEMPT": "1",
        "TIDE_OUTPUT": str(output),
    }  # fmt: skip
    assert subprocess.run(ledger.step(450, "says=x=1"), env=env, check=False).returncode == 0
    env |= {"TIDE_FENCE": "4"}
    assert subprocess.run(ledger.step(10, "fails=1"), env=env, check=False).returncode == 1
    spans = ledger.read(7)["a[0]"]
    assert (spans[3].ended, spans[4].ended, spans[4].interrupted) == (True, False, False)
    assert spans[3].last - spans[3].first >= 0.45
    assert (tmp_path / "ledger" / "7").read_text().count("alive") == 2
    assert output.read_text() == "x=1\n"
    assert ledger.runs() == [7]
