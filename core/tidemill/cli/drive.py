"""Drives a run to its end under a display: what `run` and `retry` share."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Protocol

from tidemill.cli import console, exits
from tidemill.cli.display.board import Board
from tidemill.cli.display.outlet import Outlet, stdout
from tidemill.cli.display.report import failures
from tidemill.cli.signals import Stop
from tidemill.cli.style import Paint
from tidemill.cli.text import plural
from tidemill.errors import TidemillError
from tidemill.model.views import Observer, RunView

if TYPE_CHECKING:
    from tidemill.app import LocalRun


class Display(Observer, Protocol):
    """An observer with a beginning, an end, and a place for news."""

    def open(self) -> None: ...

    def close(self) -> None: ...

    def notice(self, text: str) -> None: ...


def drive(local: LocalRun, *, as_json: bool, plain: bool) -> int:
    """Runs it to its end, shows it, and returns the exit code."""
    board = Board(local.view)
    paint = Paint(console.colour())
    live = not (as_json or plain) and _live_possible()
    outlet = _outlet(local.view, as_json=as_json)
    display = _display(board, outlet, paint, as_json=as_json, live=live)
    code = asyncio.run(_drive(local, board, display, outlet, quiet=as_json, paint=paint))
    if code == exits.OK:
        _check(outlet)
    return code


async def _drive(
    local: LocalRun, board: Board, display: Display, outlet: Outlet, *, quiet: bool, paint: Paint
) -> int:
    stop = Stop(local.cancel, display.notice)
    outlet.attach()
    try:
        with stop.listening():
            display.open()
            try:
                board.run = await local.drive(display)
            finally:
                display.close()
        if not quiet:
            outlet.write(failures(board, paint))
        for line in local.untold:
            console.warn(line)
    finally:
        outlet.drain()
    return exits.of_run(board.run.state, stop.first)


def _outlet(run: RunView, *, as_json: bool) -> Outlet:
    if as_json:
        from tidemill.cli.display.jsonl import left_out

        return stdout(left_out)
    return stdout(
        lambda lines: (
            f"… {plural(lines, 'line')} left out: they came faster than they were read "
            f"(tidemill logs {run.number} has them)\n"
        )
    )


def _display(board: Board, outlet: Outlet, paint: Paint, *, as_json: bool, live: bool) -> Display:
    if as_json:
        from tidemill.cli.display.jsonl import JsonDisplay

        return JsonDisplay(board, outlet)
    if live:
        from tidemill.cli.display.live import LiveDisplay

        unicode = console.usable_encoding()
        return LiveDisplay(board, outlet, colour=paint.on, unicode=unicode)
    from tidemill.cli.display.plain import PlainDisplay

    return PlainDisplay(board, outlet, paint)


def _live_possible() -> bool:
    """A terminal that can be drawn on, and where somebody looks."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _check(outlet: Outlet) -> None:
    """A reader that left is no error (the run went on to its end); a full disk is."""
    error = outlet.error
    if error is not None and not isinstance(error, BrokenPipeError):
        raise TidemillError(f"could not write to stdout: {error.strerror}")
