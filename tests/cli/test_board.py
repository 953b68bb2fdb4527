"""What a display knows of a run."""

from __future__ import annotations

from collections.abc import Callable

from tidemill.cli.display.board import TAIL_LINES, Board
from tidemill.model.states import TaskState
from tidemill.model.views import TaskView

MakeTask = Callable[..., TaskView]
S = TaskState


def test_counts_follow_every_change(board: Board, make_task: MakeTask) -> None:
    board.apply([make_task("a"), make_task("b"), make_task("c")])
    board.apply([make_task("a", S.RUNNING)])
    board.apply([make_task("a", S.SUCCEEDED), make_task("b", S.FAILED)])
    assert board.counts[S.BLOCKED] == 1
    assert board.counts[S.RUNNING] == 0
    assert (board.done, list(board.failed), list(board.running)) == (2, ["b"], [])


def test_being_told_the_same_twice_counts_once(board: Board, make_task: MakeTask) -> None:
    for _ in range(2):
        board.apply([make_task("a", S.SUCCEEDED)])
    assert board.done == 1
    assert list(board.recent) == ["a"]


def test_a_failed_task_that_runs_again_is_no_failure(board: Board, make_task: MakeTask) -> None:
    board.apply([make_task("a", S.FAILED)])
    board.apply([make_task("a", S.RUNNING, attempt=2)])
    assert not board.failed
    assert list(board.running) == ["a"]


def test_the_last_lines_stay_of_what_failed_and_go_of_what_succeeded(
    board: Board, make_task: MakeTask
) -> None:
    board.apply([make_task("a", S.RUNNING), make_task("b", S.RUNNING)])
    for n in range(TAIL_LINES + 5):
        board.output("a", 1, f"line {n}")
        board.output("b", 1, f"line {n}")
    board.apply([make_task("a", S.SUCCEEDED), make_task("b", S.FAILED)])
    assert list(board.tail("a")) == []
    assert list(board.tail("b")) == [f"line {n}" for n in range(5, TAIL_LINES + 5)]


def test_a_new_attempt_starts_with_no_lines(board: Board, make_task: MakeTask) -> None:
    board.apply([make_task("a", S.RUNNING)])
    board.output("a", 1, "of the first")
    board.apply([make_task("a", S.READY, attempt=1, waits_until=9.0)])
    assert list(board.tail("a")) == ["of the first"]
    board.apply([make_task("a", S.RUNNING, attempt=2)])
    assert list(board.tail("a")) == []
    board.output("a", 2, "of the second")
    assert list(board.tail("a")) == ["of the second"]


def test_output_that_comes_before_the_news_of_the_start_is_kept(
    board: Board, make_task: MakeTask
) -> None:
    board.apply([make_task("a", S.READY)])
    board.output("a", 1, "early")
    board.apply([make_task("a", S.RUNNING)])
    assert list(board.tail("a")) == ["early"]


def test_of_a_huge_line_a_bounded_part_is_kept(board: Board) -> None:
    board.output("a", 1, "x" * 1_000_000)
    board.output("a", 1, "\r".join(f"{n:06}%" for n in range(100_000)))
    kept = list(board.tail("a"))
    assert max(map(len, kept)) <= 2000
    assert kept[1].endswith("099999%")


def test_the_tasks_of_a_run_below_stand_behind_the_task_that_it_is_for(
    board: Board, make_task: Callable[..., TaskView]
) -> None:
    board.apply([make_task("c[a/b]", step="c"), make_task("c[d]", step="c"), make_task("z")])
    below = [make_task(f"c[a/b]/{name}", step=f"c[a/b]/{name}") for name in ("lint", "unit")]
    deeper = make_task("c[a/b]/lint/x", step="c[a/b]/lint/x")
    board.apply([*below, make_task("c[d]/lint", step="c[d]/lint"), deeper])
    assert [task.key for task in board.rows()] == [
        "c[a/b]",
        "c[a/b]/lint",
        "c[a/b]/lint/x",
        "c[a/b]/unit",
        "c[d]",
        "c[d]/lint",
        "z",
    ]
