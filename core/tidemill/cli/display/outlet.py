"""stdout that never makes the event loop wait.

While a run goes, the loop that writes is the loop that serves steps and leases: a reader
that is slow (`| less`, a stopped terminal) must not hold it. So output waits here in
order, goes out when the other end takes it, and beyond a limit of what waits, lines that
can be read elsewhere are left out and counted. What is on screen is not decided here.

A descriptor is never switched to non-blocking: it is shared with other processes. Where
poll says that a pipe takes something, it takes at least 4,096 bytes.
"""

from __future__ import annotations

import asyncio
import os
import select
import stat
import sys
from collections.abc import Callable
from typing import Final

from tidemill.cli.text import plural

_PIECE: Final = 4096
_PIECE_OF_FILE: Final = 1 << 20
LIMIT: Final = 8 << 20
"""How many characters may wait for a slow reader."""


class Outlet:
    """Text for one descriptor. Every method is called on the event loop's thread, or
    while no loop runs."""

    def __init__(
        self,
        descriptor: int,
        encoding: str = "utf-8",
        limit: int = LIMIT,
        left_out: Callable[[int], str] = lambda lines: f"… {plural(lines, 'line')} left out\n",
    ) -> None:
        self.encoding = encoding
        self.error: OSError | None = None
        self._descriptor = descriptor
        self._limit = limit
        self._left_out = left_out
        self._dropped = 0
        self._texts: list[str] = []
        self._waiting = 0
        self._data = memoryview(b"")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = False
        self._piece = _PIECE if _is_stream(descriptor) else _PIECE_OF_FILE
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    @property
    def idle(self) -> bool:
        """Everything written has gone out."""
        return not self._texts and not self._data

    def write(self, text: str) -> None:
        """Takes text that must not be lost."""
        if self.error is not None:
            return
        if self._dropped:
            lines, self._dropped = self._dropped, 0
            self._put(self._left_out(lines))
        self._put(text)

    def write_line(self, text: str) -> None:
        """Takes a line (with its end) that may be left out for a slow reader."""
        if self._waiting > self._limit:
            self._dropped += 1
        else:
            self.write(text)

    def flush(self) -> None:
        """Here for those who take this for a text file; output goes out by itself."""

    def attach(self) -> None:
        """From now on the running event loop sends what is written."""
        self._loop = asyncio.get_running_loop()

    def drain(self) -> None:
        """Leaves the loop and sends all the rest, as long as the reader may take."""
        if self._loop is not None and self._scheduled:
            self._loop.remove_writer(self._descriptor)
        self._loop, self._scheduled = None, False
        self.write("")
        while self._next_piece():
            self._poll.poll()
            self._send(self._data)

    def _put(self, text: str) -> None:
        self._texts.append(text)
        self._waiting += len(text)
        if self._loop is not None and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Sends what the other end takes now, and comes back when it takes more."""
        loop = self._loop
        if loop is None:
            return
        while self._next_piece():
            if not self._poll.poll(0):
                loop.add_writer(self._descriptor, self._resume)
                return
            self._send(self._data[: self._piece])
        self._scheduled = False

    def _resume(self) -> None:
        if self._loop is not None:
            self._loop.remove_writer(self._descriptor)
            self._pump()

    def _next_piece(self) -> bool:
        if self.error is not None:
            return False
        if not self._data and self._texts:
            text = "".join(self._texts)
            self._texts.clear()
            self._waiting = len(text)
            self._data = memoryview(text.encode(self.encoding, errors="replace"))
        if not self._data:
            self._waiting = 0
        return bool(self._data)

    def _send(self, data: memoryview) -> None:
        try:
            sent = os.write(self._descriptor, data)
        except BlockingIOError:
            return  # somebody else made it non-blocking; poll will tell when to go on
        except OSError as error:
            self._give_up(error)
        else:
            self._data = self._data[sent:]

    def _give_up(self, error: OSError) -> None:
        """Nobody reads any more, or the disk is full: from here on, silence."""
        self.error = error
        self._texts.clear()
        self._data = memoryview(b"")


def _is_stream(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)


def stdout(left_out: Callable[[int], str]) -> Outlet:
    """The outlet for stdout, once what was printed before has gone out."""
    sys.stdout.flush()
    return Outlet(sys.stdout.fileno(), sys.stdout.encoding or "utf-8", left_out=left_out)
