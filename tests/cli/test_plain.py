"""A run as plain lines, and the report at its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from tidemill.cli.display.board import Board
from tidemill.cli.display.outlet import Outlet
from tidemill.cli.display.plain import PlainDisplay
from tidemill.cli.display.report import failures
from tidemill.cli.style import Paint
from tidemill.cli.times import moment
from tidemill.model.states import RunState, TaskState
from tidemill.model.views import ApprovalView, TaskView

MakeTask = Callable[..., TaskView]
S = TaskState
PALE = Paint(on=False)


class Paper(Outlet):
    """An outlet that keeps what is written, to be read by the test."""

    def __init__(self) -> None:
        super().__init__(1)
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def take(self) -> list[str]:
        taken, self.text = self.text.splitlines(), ""
        return taken


@pytest.fixture
def paper() -> Paper:
    return Paper()


@pytest.fixture
def plain(board: Board, paper: Paper) -> PlainDisplay:
    return PlainDisplay(board, paper, PALE)


def test_a_run_reads_from_its_first_line_to_its_last(
    plain: PlainDisplay, paper: Paper, board: Board, make_task: MakeTask
) -> None:
    plain.tasks_changed([make_task("unit[3.12]"), make_task("deploy")])
    plain.tasks_changed([make_task("unit[3.12]", S.READY)])
    plain.tasks_changed([make_task("unit[3.12]", S.RUNNING)])
    plain.output("unit[3.12]", 1, "collecting")
    plain.tasks_changed([make_task("unit[3.12]", S.SUCCEEDED)])
    plain.tasks_changed([make_task("deploy", S.SKIPPED, started_at=None, ended_at=None)])
    plain.run_changed(replace(board.run, state=RunState.SUCCEEDED, ended_at=1003.5))
    plain.close()
    assert paper.take() == [
        "release #7: 2 tasks",
        "unit[3.12] started",
        "unit[3.12] | collecting",
        "unit[3.12] succeeded in 2.0 s",
        "deploy skipped",
        "release #7 succeeded in 3.5 s: 1 succeeded, 1 skipped",
    ]


def test_the_start_is_told_before_output_that_was_faster(
    plain: PlainDisplay, paper: Paper, make_task: MakeTask
) -> None:
    plain.tasks_changed([make_task("a", attempts=2)])
    plain.output("a", 1, "early")
    plain.tasks_changed([make_task("a", S.RUNNING, attempts=2)])
    plain.output("a", 2, "early again")
    plain.tasks_changed([make_task("a", S.SUCCEEDED, attempt=2, attempts=2)])
    assert paper.take()[1:] == [
        "a started",
        "a | early",
        "a started (attempt 2/2)",
        "a | early again",
        "a succeeded in 2.0 s",
    ]


def test_a_change_that_is_none_is_not_told_again(
    plain: PlainDisplay, paper: Paper, make_task: MakeTask
) -> None:
    plain.tasks_changed([make_task("a", S.RUNNING)])
    paper.take()
    plain.tasks_changed([make_task("a", S.RUNNING)])
    assert paper.take() == []


@pytest.mark.parametrize(
    ("state", "fields", "line"),
    [
        (S.FAILED, {"exit_code": 2}, "a failed after 2.0 s: exit code 2"),
        (
            S.TIMED_OUT,
            {"detail": "stopped after 2 s"},
            "a timed out after 2.0 s: stopped after 2 s",
        ),
        (
            S.FAILED,
            {"exit_code": 1, "allow_failure": True},
            "a failed after 2.0 s: exit code 1 (allowed to fail)",
        ),
        (S.RUNNING, {"attempt": 2, "attempts": 3}, "a started (attempt 2/3)"),
        (S.SUCCEEDED, {"carried_from": 6}, "a succeeded in run 6"),
        (
            S.UPSTREAM_FAILED,
            {"started_at": None, "detail": "b failed"},
            "a upstream failed: b failed",
        ),
    ],
)
def test_the_line_of_a_task(
    plain: PlainDisplay,
    paper: Paper,
    make_task: MakeTask,
    state: TaskState,
    fields: dict[str, object],
    line: str,
) -> None:
    plain.tasks_changed([make_task("a")])
    paper.take()
    plain.tasks_changed([make_task("a", state, **fields)])
    assert paper.take() == [line]


def test_a_retry_says_when_it_comes_and_why(
    plain: PlainDisplay, paper: Paper, make_task: MakeTask
) -> None:
    plain.tasks_changed([make_task("a", S.RUNNING)])
    paper.take()
    soon = time.time() + 60 * 60 + 30
    waiting = make_task("a", S.READY, attempt=1, attempts=3, exit_code=2, waits_until=soon)
    plain.tasks_changed([waiting])
    assert paper.take() == [
        "a attempt 1/3 did not succeed (exit code 2), tries again in 1 h 00 min"
    ]


def test_what_a_step_prints_cannot_touch_the_terminal(plain: PlainDisplay, paper: Paper) -> None:
    plain.output("a", 1, "\x1b]0;owned\x07\x1b[2Jhello\r")
    assert paper.take() == ["a | hello"]


def test_the_report_tells_what_failed_its_last_lines_and_the_way_on(
    board: Board, make_task: MakeTask
) -> None:
    board.apply([make_task("unit[3.12]", S.RUNNING)])
    for n in range(30):
        board.output("unit[3.12]", 1, f"line {n}")
    board.apply([make_task("unit[3.12]", S.FAILED, exit_code=127)])
    board.run = replace(board.run, state=RunState.FAILED)
    assert failures(board, PALE).splitlines() == [
        "",
        "unit[3.12] failed after 2.0 s: exit code 127 (command not found)",
        *(f"  | line {n}" for n in range(10, 30)),
        "full log: tidemill logs 7 'unit[3.12]'",
        "",
        "retry what failed: tidemill retry 7",
    ]


def test_of_many_failures_the_first_are_told_and_the_others_named(
    board: Board, make_task: MakeTask
) -> None:
    board.apply([make_task(f"t{n}", S.FAILED) for n in range(5)])
    board.run = replace(board.run, state=RunState.FAILED)
    report = failures(board, PALE)
    assert report.count("(it printed nothing)") == 3
    assert "2 more failed: t3, t4 (tidemill status 7)" in report


def test_a_failure_that_is_allowed_is_not_reported(board: Board, make_task: MakeTask) -> None:
    board.apply([make_task("a", S.FAILED, allow_failure=True)])
    board.run = replace(board.run, state=RunState.SUCCEEDED)
    assert failures(board, PALE) == ""


def test_a_cancelled_run_says_how_to_go_on(board: Board, make_task: MakeTask) -> None:
    board.apply([make_task("a", S.CANCELLED)])
    board.run = replace(board.run, state=RunState.CANCELLED)
    assert failures(board, PALE) == "\ngo on with the rest: tidemill retry 7\n"


def test_a_step_that_asks_says_what_of_whom_until_when_and_how_to_answer(
    plain: PlainDisplay, paper: Paper, make_task: MakeTask
) -> None:
    asked = ApprovalView(("alice", "release"), "Ship\n  1.2?", None, "tidemill approve 7 'ok[eu]'")
    waits = make_task("ok[eu]", S.AWAITING_APPROVAL, started_at=1000.0, approval=asked)
    plain.tasks_changed([waits])
    plain.tasks_changed(
        [make_task("ok[eu]", S.SUCCEEDED, detail="approved by alice", approval=ApprovalView())]
    )
    assert paper.take()[1:] == [
        "ok[eu] waits for approval: Ship 1.2? (asks alice or release): tidemill approve 7 'ok[eu]'",
        "ok[eu] succeeded in 2.0 s: approved by alice",
    ]
    limited = replace(asked, by=(), until=2e9)
    plain.tasks_changed([replace(waits, key="b", approval=limited)])
    assert f"(asks anybody until {moment(2e9)})" in paper.take()[0]


def test_of_what_people_rejected_no_output_is_missed(board: Board, make_task: MakeTask) -> None:
    said = {"detail": "rejected by bob: not now", "attempt": 0, "approval": ApprovalView()}
    board.apply([make_task("ok", S.FAILED, **said)])
    board.run = replace(board.run, state=RunState.FAILED)
    assert failures(board, PALE).splitlines() == [
        "",
        "ok failed after 2.0 s: rejected by bob: not now",
        "",
        "retry what failed: tidemill retry 7",
    ]


def test_what_the_cache_gave_names_the_run_it_is_of(
    plain: PlainDisplay, paper: Paper, make_task: MakeTask
) -> None:
    plain.tasks_changed([make_task("a", S.SUCCEEDED, cached_from=3, detail="cached from run 3")])
    assert paper.take()[1:] == ["a cached from run 3"]
