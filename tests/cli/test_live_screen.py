"""The live display, seen through a terminal emulator: what is on the screen, and what
is left of it when the run has ended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import replace

import pyte
import pytest

from tidemill.cli.display.board import Board
from tidemill.cli.display.live import LiveDisplay
from tidemill.cli.display.outlet import Outlet
from tidemill.model.states import RunState, TaskState
from tidemill.model.views import TaskView

MakeTask = Callable[..., TaskView]
S = TaskState


class WatchedOutlet(Outlet):
    """Counts what is written, and can be told that the terminal takes nothing."""

    writes = 0
    stuck = False

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self.asked: asyncio.Queue[None] = asyncio.Queue()

    @property
    def idle(self) -> bool:
        self.asked.put_nowait(None)
        return not self.stuck and super().idle

    def write(self, text: str) -> None:
        self.writes += 1
        super().write(text)


class Terminal:
    """A screen of a given size that shows what comes out of an outlet's pipe."""

    def __init__(self, width: int, height: int) -> None:
        self.screen = pyte.HistoryScreen(width, height, history=1000)
        self.screen.set_mode(pyte.modes.LNM)  # a pipe has no line discipline to add returns
        self._stream = pyte.ByteStream(self.screen)
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        self.outlet = WatchedOutlet(writer)
        self._writer = writer

    def lines(self) -> list[str]:
        self._read()
        return [line.rstrip() for line in self.screen.display if line.strip()]

    async def shows(self, text: str) -> None:
        """Waits until some line on the screen holds the text."""
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._reader, arrived.set)
        try:
            async with asyncio.timeout(20):
                while not any(text in line for line in self.lines()):
                    arrived.clear()
                    await arrived.wait()
        finally:
            loop.remove_reader(self._reader)

    def everything(self) -> str:
        """What a person finds who scrolls up, too, when all has been written."""
        self.outlet.drain()
        self._read()
        above = ("".join(row[x].data for x in sorted(row)) for row in self.screen.history.top)
        return "\n".join([*above, *self.screen.display])

    def _read(self) -> None:
        try:
            while data := os.read(self._reader, 65536):
                self._stream.feed(data)
        except BlockingIOError:
            return

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Terminal]]:
    made: list[Terminal] = []

    def make(width: int = 80, height: int = 24) -> Terminal:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("LINES", str(height))
        made.append(Terminal(width, height))
        return made[-1]

    yield make
    for each in made:
        each.close()


def display_on(terminal: Terminal, board: Board) -> LiveDisplay:
    terminal.outlet.attach()
    return LiveDisplay(board, terminal.outlet, colour=True, unicode=True)


def end(display: LiveDisplay, board: Board, state: RunState) -> None:
    display.run_changed(replace(board.run, state=state, ended_at=1003.0))
    display.close()


async def test_the_picture_follows_the_run_and_its_summary_stays(
    terminal: Callable[..., Terminal], board: Board, make_task: MakeTask
) -> None:
    seen = terminal()
    display = display_on(seen, board)
    display.open()
    display.tasks_changed([make_task("build"), make_task("unit[3.12]")])
    await seen.shows("· blocked   build")
    display.tasks_changed([make_task("build", S.RUNNING)])
    display.output("build", 1, "\x1b[2J\x1b[Hcompiling 日本語\r\x1b]0;owned\x07")
    await seen.shows("compiling")
    assert seen.lines()[0].startswith("● running   build")
    assert seen.screen.title == ""
    display.tasks_changed([make_task("build", S.SUCCEEDED), make_task("unit[3.12]", S.SUCCEEDED)])
    end(display, board, RunState.SUCCEEDED)
    seen.outlet.drain()
    assert seen.lines() == [
        "✓ succeeded build          2.0 s",
        "✓ succeeded unit[3.12]     2.0 s",
        "release #7 succeeded in 3.0 s: 2 succeeded",
    ]
    assert not seen.screen.cursor.hidden


async def test_what_was_on_the_screen_before_stays(
    terminal: Callable[..., Terminal], board: Board, make_task: MakeTask
) -> None:
    seen = terminal()
    display = display_on(seen, board)
    seen.outlet.write("$ tidemill run release.tide\n")
    display.open()
    display.tasks_changed([make_task("build", S.RUNNING)])
    await seen.shows("running")
    end(display, board, RunState.CANCELLED)
    seen.outlet.drain()
    assert seen.lines()[0] == "$ tidemill run release.tide"


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (20, 6)])
async def test_300_tasks_leave_no_trash_above_the_summary(
    terminal: Callable[..., Terminal],
    board: Board,
    make_task: MakeTask,
    width: int,
    height: int,
) -> None:
    seen = terminal(width, height)
    display = display_on(seen, board)
    display.open()
    keys = [f"t[{n}]" for n in range(300)]
    display.tasks_changed([make_task(key) for key in keys])
    for start in range(0, 300, 100):
        chunk = keys[start : start + 100]
        display.tasks_changed([make_task(key, S.RUNNING) for key in chunk])
        for key in chunk:
            display.output(key, 1, "words " * 50)
        await seen.shows("more")
        display.tasks_changed([make_task(key, S.SUCCEEDED) for key in chunk])
    end(display, board, RunState.SUCCEEDED)
    text = seen.everything().replace("\n", "")
    assert "running" not in text
    assert "more" not in text
    assert seen.lines()[0].startswith("✓ 300 succeeded")


async def test_a_flood_is_drawn_a_few_times_only(
    terminal: Callable[..., Terminal], board: Board, make_task: MakeTask
) -> None:
    seen = terminal()
    display = display_on(seen, board)
    display.open()
    display.tasks_changed([make_task("a", S.RUNNING)])
    began, before = asyncio.get_running_loop().time(), seen.outlet.writes
    for n in range(20_000):
        display.output("a", 1, f"line {n}")
        if n % 100 == 0:
            await asyncio.sleep(0)
    took = asyncio.get_running_loop().time() - began
    assert seen.outlet.writes - before <= 2 + took * 10
    end(display, board, RunState.SUCCEEDED)


async def test_nothing_is_drawn_while_the_terminal_does_not_take_it(
    terminal: Callable[..., Terminal], board: Board, make_task: MakeTask
) -> None:
    seen = terminal()
    display = display_on(seen, board)
    display.open()
    seen.outlet.stuck = True
    before = seen.outlet.writes
    for n in range(3):
        display.tasks_changed([make_task(f"t{n}", S.RUNNING)])
        await seen.outlet.asked.get()
    assert seen.outlet.writes == before
    seen.outlet.stuck = False
    display.tasks_changed([make_task("t9", S.RUNNING)])
    await seen.shows("t9")
    end(display, board, RunState.SUCCEEDED)


async def test_a_notice_is_seen_on_the_screen(
    terminal: Callable[..., Terminal], board: Board, make_task: MakeTask
) -> None:
    seen = terminal()
    display = display_on(seen, board)
    display.open()
    display.tasks_changed([make_task("a", S.RUNNING)])
    display.notice("Cancelling (Ctrl-C again to kill at once)")
    await seen.shows("Cancelling (Ctrl-C again to kill at once)")
    end(display, board, RunState.CANCELLED)
