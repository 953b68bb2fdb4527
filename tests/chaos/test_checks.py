"""The checks of the chaos test find what they are there to find."""

from __future__ import annotations

import os
import random
import subprocess
from collections import Counter
from pathlib import Path
from typing import cast

import pytest
from chaos_across import Across
from chaos_checks import CheckedRun, Task
from chaos_client import Client
from chaos_end import schedule_problems
from chaos_news import News
from chaos_shapes import Shape
from chaos_timed import Timed
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


SKIPS, ALL = Timed(2, "skip", 900), Timed(2, "allow", 20)


@pytest.mark.parametrize(
    ("timed", "due", "missed", "problem"),
    [
        (ALL, [2, 4, 6], 0, ""),
        (ALL, [2, 6], 1, "no run for [4.0], and may skip none"),
        (ALL, [2, 6], 0, "no run for [4.0], and counts 0"),
        (ALL, [2, 4], 1, ""),
        (ALL, [2, 4, 4, 6], 0, "2 runs for 4"),
        (ALL, [2, 4, 5, 6], 0, "when it was not due"),
        (ALL, [2, 4], 0, "no run for [6.0]"),
        (SKIPS, [2, 6], 1, ""),
        (SKIPS, [2, 6], 0, "counts 0 as missed"),
        (SKIPS, [2, 4, 6], 1, "counts 1 as missed"),
        (SKIPS, [], 3, "never had a run"),
    ],
)
def test_a_due_time_without_its_one_run_is_found(
    timed: Timed, due: list[float], missed: int, problem: str
) -> None:
    found = list(schedule_problems("tick", timed, due, (1.5, 8.0), missed))
    assert [problem in text for text in found] == ([True] if problem else [])


def across(pipeline: str, due_at: float | None, *runs: str) -> list[str]:
    found = Across()
    for number, said in enumerate(runs):
        found.add(number, pipeline, due_at, read(said.split("; ")))
    return list(found.problems())


@pytest.mark.parametrize(
    ("pipeline", "runs", "problem"),
    [
        ("few", ("a 1 start 1; a 1 end 3", "a 1 start 2; a 1 end 4"), ""),
        ("few", ("a 1 start 1; a 1 end 3",) * 3, "3 steps at work in a pool of 2 slots"),
        ("single", ("a 1 start 1; a 1 end 2", "a 1 start 2; a 1 end 3"), ""),
        ("single", ("a 1 start 1; b 1 end 3", "a 1 start 2; a 1 end 4"), "2 runs of single"),
        ("turns", ("a 1 start 1; b 1 end 3", "a 1 start 2; a 1 end 4"), "2 runs of turns"),
        ("placed", ("only[0] 1 start 1 w2; only[0] 1 end 2 w2",), ""),
        ("placed", ("only[0] 1 start 1 w0; only[0] 1 end 2 w0",), "ran on w0"),
        ("placed", ("heavy[0] 1 start 1 w0; heavy[0] 1 end 3 w0",) * 2, "2 of heavy at work on w0"),
    ],
)
def test_what_is_at_work_with_others_and_may_not_be_is_found(
    pipeline: str, runs: tuple[str, ...], problem: str
) -> None:
    found = across(pipeline, None, *runs)
    assert [problem in text for text in found] == ([True] if problem else [])


def test_a_step_that_begins_before_it_is_due_is_found() -> None:
    assert across("ahead", 10.0, "go 1 start 10.001; go 1 end 11") == []
    (found,) = across("ahead", 10.0, "go 1 start 9.9; go 1 end 11")
    assert "began 0.100 s before it was due" in found


class _Answers:
    """A client whose requests are all done, or of all of which nobody knows."""

    def __init__(self, answer: int | None) -> None:
        self._answer = answer

    def ask(self, verb: str, of: str) -> int | None:
        del verb, of
        return self._answer


def sent(answer: int | None) -> News:
    made = News(cast("Client", _Answers(answer)), random.Random(1))  # noqa: S311
    for _ in range(20):
        made.send()
    return made


def test_an_event_that_starts_no_run_or_two_is_found() -> None:
    news = sent(0)
    runs = Counter(dict.fromkeys(news.sent, 1))
    assert list(news.problems(runs, ())) == []
    assert list(news.problems(runs + Counter(["k3"]), ())) == ["event k3 started 2 runs"]
    runs -= Counter(["k3"])
    assert list(news.problems(runs, ())) == ["event k3 was acknowledged, and started no run"]
    (found,) = news.problems(Counter(["k99", *news.sent]), ())
    assert "never sent" in found


def test_an_event_that_nobody_acknowledged_or_that_nats_lost_may_start_none() -> None:
    assert list(sent(None).problems(Counter(), ())) == []
    news = sent(0)
    only_published = news.published - news.stored
    assert only_published
    assert news.wanted([max(news.sent.values())]) == news.sent.keys() - only_published


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
