"""The live picture: what it shows at any size, checked as text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rich.cells import cell_len

from tidemill.cli.display.board import Board
from tidemill.cli.display.frame import Picture, Size, surplus_rows
from tidemill.cli.display.glyphs import Glyphs
from tidemill.model.states import TaskState
from tidemill.model.views import ApprovalView, TaskView

MakeTask = Callable[..., TaskView]
S = TaskState


def picture(
    width: int = 80, height: int = 24, *, unicode: bool = True, notice: str = ""
) -> Picture:
    return Picture(Size(width, height), Glyphs(unicode), now=1012.9, notice=notice)


def lines(drawn: list[tuple[tuple[str, str], ...]]) -> list[str]:
    return ["".join(text for text, _ in line).rstrip() for line in drawn]


@pytest.fixture
def busy(board: Board, make_task: MakeTask) -> Board:
    """300 tasks: 2 failed, 4 run, 20 succeeded, the others are blocked."""
    keys = [f"unit[{n}]" for n in range(300)]
    board.apply([make_task(key) for key in keys])
    board.apply([make_task(key, S.SUCCEEDED) for key in keys[:20]])
    board.apply([make_task(key, S.FAILED, exit_code=2) for key in keys[20:22]])
    board.apply([make_task(key, S.RUNNING) for key in keys[22:26]])
    for key in keys[22:26]:
        board.output(key, 1, f"\x1b[2Jcollecting 日本語 {key} " + "x" * 200)
    return board


def test_every_task_has_a_line_with_symbol_word_name_and_time(
    board: Board, make_task: MakeTask
) -> None:
    board.apply([make_task("build", S.SUCCEEDED), make_task("unit[3.12]", S.RUNNING)])
    board.apply([make_task("deploy")])
    board.output("unit[3.12]", 1, "collecting")
    assert lines(picture().running(board)) == [
        "✓ succeeded build          2.0 s",
        "● running   unit[3.12]      12 s",
        "    │ collecting",
        "· blocked   deploy",
        "release #7 ━━━━━━━━━━──────────────────── 1/3 done, 12 s",
    ]


def test_in_ascii_nothing_is_lost(board: Board, make_task: MakeTask) -> None:
    board.apply([make_task("build", S.SUCCEEDED), make_task("unit", S.RUNNING)])
    board.output("unit", 1, "collecting")
    shown = lines(picture(unicode=False).running(board))
    assert all(line.isascii() for line in shown)
    assert shown[0].startswith("+ succeeded build")


def test_attempts_and_waits_are_told(board: Board, make_task: MakeTask) -> None:
    board.apply(
        [
            make_task("a", S.READY, attempt=1, attempts=3, waits_until=1017.0),
            make_task("b", S.RUNNING, attempt=2, attempts=3),
            make_task("c", S.FAILED, attempt=3, attempts=3, exit_code=127, allow_failure=True),
            make_task("d", S.SUCCEEDED, carried_from=6),
        ]
    )
    shown = lines(picture(width=120).running(board))
    assert shown[0].endswith("attempt 1/3  tries again in 4 s")
    assert shown[1].endswith("attempt 2/3")
    assert shown[2].endswith("attempt 3/3  exit code 127 (command not found)  allowed to fail")
    assert shown[3].endswith("in run 6")


@pytest.mark.parametrize("height", [3, 5, 8, 12, 24, 60])
@pytest.mark.parametrize("width", [10, 24, 40, 80, 200])
def test_the_picture_fits_its_terminal(busy: Board, width: int, height: int) -> None:
    drawn = picture(width, height, notice="Cancelling").running(busy)
    assert len(drawn) <= max(height - 1, 6)
    assert all(cell_len(line) < width for line in lines(drawn))
    assert not any("\x1b" in line for line in lines(drawn))


def test_of_many_tasks_those_that_run_or_failed_are_shown_and_the_rest_counted(
    busy: Board,
) -> None:
    shown = "\n".join(lines(picture().running(busy)))
    for key in ("unit[20]", "unit[21]", "unit[22]", "unit[25]"):
        assert key in shown
    assert "✓ 13 more succeeded" in shown
    assert "· 274 blocked" in shown
    assert "22/300 done, 2 failed" in shown


def test_the_shown_and_the_counted_make_up_all(busy: Board) -> None:
    drawn = lines(picture(80, 10).running(busy))
    rows = sum("unit[" in line and "│" not in line for line in drawn)
    counted = sum(
        int(word.replace(",", ""))
        for line in drawn[:-1]
        if "unit[" not in line
        for word in line.split()
        if word.replace(",", "").isdigit()
    )
    assert rows + counted == 300


def test_more_running_tasks_than_lines_are_counted_too(board: Board, make_task: MakeTask) -> None:
    board.apply([make_task(f"t[{n}]", S.RUNNING) for n in range(50)])
    shown = lines(picture(80, 12).running(board))
    assert len(shown) <= 11
    assert any("more running" in line for line in shown)


def test_the_end_keeps_every_task_where_they_fit(board: Board, make_task: MakeTask) -> None:
    board.apply([make_task(f"t[{n}]", S.SUCCEEDED) for n in range(10)])
    assert len(picture().ended(board)) == 10


def test_the_end_of_many_keeps_counts_and_what_failed(busy: Board) -> None:
    shown = lines(picture().ended(busy))
    assert shown[0] == "· 274 blocked   ● 4 running   ✓ 20 succeeded"
    assert [line.split()[2] for line in shown[1:]] == ["unit[20]", "unit[21]"]


def test_a_notice_stands_above_the_progress(busy: Board) -> None:
    shown = lines(picture(notice="Cancelling").running(busy))
    assert shown[-2] == "Cancelling"


def test_control_characters_in_a_name_do_not_reach_the_screen(
    board: Board, make_task: MakeTask
) -> None:
    board.apply([make_task("unit[\x1b[2Jx\r\n]")])
    assert "\x1b" not in "".join(lines(picture().running(board)))


@pytest.mark.parametrize(("width", "surplus"), [(80, 0), (40, 2), (39, 4), (20, 6)])
def test_rows_that_a_narrower_terminal_wraps(width: int, surplus: int) -> None:
    drawn = [(("x" * 79, ""),), (("y" * 38, ""), ("日", "")), (("z" * 41, ""),), ()]
    assert surplus_rows(drawn, width) == surplus


def asks(make_task: MakeTask, key: str) -> TaskView:
    asked = ApprovalView((), "Ship 1.2?", None, f"tidemill approve 7 {key}")
    return make_task(key, S.AWAITING_APPROVAL, started_at=1000.0, approval=asked)


def test_a_step_that_asks_shows_its_question_and_the_command_that_answers(
    board: Board, make_task: MakeTask
) -> None:
    board.apply([asks(make_task, "ok"), make_task("ship")])
    assert lines(picture(width=90).running(board))[:3] == [
        "? awaiting approval ok        12 s  Ship 1.2? (asks anybody)",
        "    │ tidemill approve 7 ok",
        "· blocked           ship",
    ]


def test_what_asks_is_seen_also_where_not_all_fits(busy: Board, make_task: MakeTask) -> None:
    busy.apply([asks(make_task, "unit[200]")])
    shown = lines(picture(height=12).running(busy))
    assert len(shown) <= 11
    assert any(line.startswith("? awaiting approval unit[200]") for line in shown)
    assert any("tidemill approve 7 unit[200]" in line for line in shown)
    busy.apply([make_task("unit[200]", S.SUCCEEDED)])
    assert not busy.asking


def test_what_the_cache_gave_is_called_so(board: Board, make_task: MakeTask) -> None:
    said = {"detail": "cached from run 3", "cached_from": 3}
    board.apply([make_task("a", S.SUCCEEDED, **said), make_task("b", S.SUCCEEDED)])
    assert lines(picture().running(board))[:2] == [
        "✓ cached    a     2.0 s  cached from run 3",
        "✓ succeeded b     2.0 s",
    ]
