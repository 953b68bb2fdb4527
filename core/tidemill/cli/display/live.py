"""A run on a terminal, drawn in place at most ten times a second.

Events only mark the picture as old; a timer draws it. Nothing is drawn while the
terminal has not taken the last picture.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import IO, Final, cast

from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.segment import Segment
from rich.style import Style

from tidemill.cli.display.board import Board
from tidemill.cli.display.frame import Line, Picture, Size, surplus_rows
from tidemill.cli.display.glyphs import Glyphs
from tidemill.cli.display.outlet import Outlet
from tidemill.cli.display.plain import ending
from tidemill.cli.style import Paint
from tidemill.model.views import LATE_WORDS, LateView, RunView, TaskView

_BETWEEN: Final = 0.1
_IDLE: Final = 1.0


class LiveDisplay:
    """An observer that keeps a picture of the run on the screen."""

    def __init__(self, board: Board, outlet: Outlet, *, colour: bool, unicode: bool) -> None:
        self._board = board
        self._outlet = outlet
        self._colour = colour
        self._glyphs = Glyphs(unicode)
        self._notice = ""
        self._ended = False
        self._console = Console(
            file=cast(IO[str], outlet),
            force_terminal=True,
            no_color=not colour,
            highlight=False,
            legacy_windows=False,
        )
        self._live = Live(
            console=self._console,
            get_renderable=lambda: self,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._timer: asyncio.TimerHandle | None = None
        self._soon = False
        self._drawn = 0.0
        self._width = self._console.width
        self._shown: Sequence[Line] = ()

    # --- observer ------------------------------------------------------------------

    def run_changed(self, run: RunView) -> None:
        self._board.run = run
        self._touch()

    def tasks_changed(self, tasks: Sequence[TaskView]) -> None:
        self._board.apply(tasks)
        self._touch()

    def late(self, found: LateView) -> None:
        name = f"{found.key} " if found.key else "it "
        self.notice(f"{name}{LATE_WORDS[found.event]}: {found.detail}")

    def output(self, key: str, attempt: int, text: str) -> None:
        self._board.output(key, attempt, text)
        self._touch()

    # --- display -------------------------------------------------------------------

    def open(self) -> None:
        """Takes the screen's lower part, from the cursor on."""
        self._live.start()
        self._touch()

    def notice(self, text: str) -> None:
        self._notice = text
        self._touch()

    def close(self) -> None:
        """Leaves the summary on the screen, and gives the cursor back."""
        if self._timer is not None:
            self._timer.cancel()
        self._soon = self._ended = True
        self._live.stop()
        if self._board.run.state.ended:
            self._outlet.write(f"{ending(self._board, Paint(self._colour))}\n")

    # --- drawing -------------------------------------------------------------------

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        picture = Picture(
            Size(options.max_width, console.size.height), self._glyphs, time.time(), self._notice
        )
        lines = picture.ended(self._board) if self._ended else picture.running(self._board)
        self._shown = lines
        return _segments(lines)

    def _touch(self) -> None:
        if self._soon:
            return
        self._soon = True
        loop = asyncio.get_running_loop()
        self._draw_in(max(0.0, self._drawn + _BETWEEN - loop.time()))

    def _draw_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._draw)

    def _draw(self) -> None:
        self._soon = False
        self._drawn = asyncio.get_running_loop().time()
        if self._outlet.idle:
            self._make_good_a_resize()
            self._live.refresh()
        self._draw_in(_IDLE)  # the times go on, also where nothing happens

    def _make_good_a_resize(self) -> None:
        """A terminal made narrower has wrapped the last picture into more rows than rich
        counts: goes up and erases the surplus, so that no remains of it stay."""
        width, self._width = self._width, self._console.width
        if self._width < width and (surplus := surplus_rows(self._shown, self._width)):
            self._outlet.write(f"\x1b[{surplus}A\x1b[J")


def _segments(lines: Sequence[Line]) -> Iterator[Segment]:
    for line in lines:
        for text, style in line:
            yield Segment(text, Style.parse(style) if style else None)
        yield Segment.line()
