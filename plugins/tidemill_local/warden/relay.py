"""A step's output on its way through a keeper, which keeps it for a worker that returns.

Where steps outlive their worker, they do not write to it but to their keeper. That passes
on what comes, keeps the first of it in memory, and gives all of it again to whoever takes
the step up. Nothing of it is on a disk.
"""

from __future__ import annotations

import os
import select
import signal

KEPT = 17 << 20
"""Bytes: as `tidemill.spi.OUTPUT_KEPT`, which this program must not import. What comes
beyond is read and thrown away: the engine does not keep so much."""

PIECE = 65536
BACKLOG = 1 << 20
"""So far a step may be ahead of its worker; then it has to wait in its next write."""


class Relay:
    """`begin` is put before what the step writes."""

    def __init__(self, begin: bytes) -> None:
        # To write to a worker that has died must not kill. A handler, unlike SIG_IGN, is
        # gone again in the step.
        signal.signal(signal.SIGPIPE, lambda *_: None)
        self._kept = bytearray(begin)
        self._sent = 0
        self._source = -1
        self._sink = -1
        self._armed: set[int] = set()
        self._poller: select.poll | None = None

    def open(self) -> int:
        """The end that the step writes to; the caller closes its own."""
        self._source, writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._source, False)
        return writer

    def join(self, sink: int) -> None:
        """Everything goes to this pipe, from the first byte on."""
        self.part()
        os.set_blocking(sink, False)
        self._sink, self._sent = sink, 0

    def part(self) -> None:
        """Nobody listens any more."""
        if self._sink >= 0:
            self._disarm(self._sink)
            os.close(self._sink)
            self._sink = -1

    @property
    def is_behind(self) -> bool:
        """Whether somebody listens who has not been given all yet."""
        return self._sink >= 0 and self._sent < len(self._kept)

    def arm(self, poller: select.poll) -> None:
        """Has the poller wait for what is of use now."""
        self._poller = poller
        for descriptor in list(self._armed):
            self._disarm(descriptor)
        waits = self._sink >= 0 and len(self._kept) - self._sent > BACKLOG
        if self._source >= 0 and not waits:
            poller.register(self._source, select.POLLIN)
            self._armed.add(self._source)
        if self.is_behind:
            poller.register(self._sink, select.POLLOUT)
            self._armed.add(self._sink)

    def _disarm(self, descriptor: int) -> None:
        """Before it is closed: its number may be another descriptor's in the next moment."""
        if descriptor in self._armed and self._poller is not None:
            self._armed.discard(descriptor)
            self._poller.unregister(descriptor)

    def act(self, found: set[int]) -> set[int]:
        """Does what can be done; gives what is not for it."""
        ours = found & self._armed
        if self._source in ours:
            self._take()
        if self._sink in ours:
            self._give()
        return found - ours

    def drain(self) -> None:
        """Takes what is left when the tree has ended. Somebody outside of it may hold the
        other end: nobody waits for them."""
        left = BACKLOG
        while self._source >= 0 and left > 0 and (size := self._take()):
            left -= size
        self._shut()

    def close(self) -> None:
        self._shut()
        self.part()

    def _take(self) -> int:
        try:
            data = os.read(self._source, PIECE)
        except BlockingIOError:
            return 0
        if not data:
            self._shut()
        self._kept += data[: max(0, KEPT - len(self._kept))]
        return len(data)

    def _give(self) -> None:
        try:
            end = self._sent + PIECE
            self._sent += os.write(self._sink, self._kept[self._sent : end])
        except BlockingIOError:
            return
        except OSError:  # the worker has died; its socket tells of it, too
            self.part()

    def _shut(self) -> None:
        if self._source >= 0:
            self._disarm(self._source)
            os.close(self._source)
            self._source = -1
