"""The dead man's switch, as the helpers see it: a timer that the executor sets anew.

It goes off in all of them at once. One that is stopped (SIGSTOP) does not notice, so
each that does notice wakes the others: it takes all of them to stand still, and the steps
to go on, before a step outlives its time.
"""

from __future__ import annotations

import contextlib
import select
import signal

NO_SWITCH = -1
"""In the place of its descriptor, where nothing has to end by itself."""


class Alarm:
    """Its descriptor is readable once for each time that the switch goes off."""

    def __init__(self, switch: int) -> None:
        self._edges = select.epoll()
        self._edges.register(switch, select.EPOLLIN | select.EPOLLET)

    def fileno(self) -> int:
        return self._edges.fileno()

    def take(self) -> None:
        self._edges.poll(0)

    def close(self) -> None:
        self._edges.close()


def wake(process: int) -> None:
    """By its pidfd. One that is not stopped does not notice."""
    with contextlib.suppress(OSError):
        signal.pidfd_send_signal(process, signal.SIGCONT)
