"""Reading a step's output from its pipe, piece by piece, on the event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

PIECE = 65536
_REST = 1 << 20
"""The most that a pipe can hold, and so what can be left in it at the end."""


class OutputPipe:
    """The reading end. Each turn of the loop takes one piece, so that a flood delays
    nobody else, and nothing is stored here."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)

    def handed_over(self) -> None:
        """The step has the writing end now; ours must not keep the pipe open."""
        os.close(self.writer)
        self.writer = -1

    def follow(self, loop: asyncio.AbstractEventLoop) -> None:
        """Passes output on as it comes. A step that ends before this is asked for
        costs no entry in the loop."""
        if self._reader >= 0 and self._loop is None:
            self._loop = loop
            loop.add_reader(self._reader, self._read)

    def drain(self) -> None:
        """Takes what is left when the tree has ended, and closes. Somebody outside of
        the tree may hold the other end: nobody waits for them."""
        left = _REST
        while self._reader >= 0 and left > 0:
            size = self._read()
            if size == 0:
                break
            left -= size
        self.close()

    def close(self) -> None:
        if self.writer >= 0:
            self.handed_over()
        if self._reader >= 0:
            if self._loop is not None:
                self._loop.remove_reader(self._reader)
            os.close(self._reader)
            self._reader = -1

    def _read(self) -> int:
        try:
            data = os.read(self._reader, PIECE)
        except BlockingIOError:
            return 0
        if data:
            self._take(data)
        else:
            self.close()
        return len(data)
