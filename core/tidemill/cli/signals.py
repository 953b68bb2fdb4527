"""Signals while a run goes: the first cancels cleanly, the second kills at once.

Which signal came first decides the exit code. A signal that was ignored when we started
(`nohup`, a background job of a script) stays ignored.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_CAUGHT: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FIRST: Final = "Cancelling (Ctrl-C again to kill at once)"
SECOND: Final = "Killing what still runs"


class Stop:
    """Turns signals into calls of `cancel`, and says so."""

    def __init__(self, cancel: Callable[[], None], notice: Callable[[str], None]) -> None:
        self._cancel = cancel
        self._notice = notice
        self._count = 0
        self.first: int | None = None
        """The signal that came first, if one came."""

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Catches the signals on the running event loop."""
        loop = asyncio.get_running_loop()
        caught = [number for number in _CAUGHT if signal.getsignal(number) != signal.SIG_IGN]
        for number in caught:
            loop.add_signal_handler(number, self._came, number)
        try:
            yield
        finally:
            for number in caught:
                loop.remove_signal_handler(number)

    def _came(self, number: int) -> None:
        self._count += 1
        if self.first is None:
            self.first = number
        if self._count <= 2:
            self._cancel()
            self._notice(FIRST if self._count == 1 else SECOND)
