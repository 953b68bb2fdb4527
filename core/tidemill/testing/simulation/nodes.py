"""Nodes: processes on machines, and what may happen to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tidemill.testing.simulation.time import NodeClock


class Node:
    """A process on a machine. What happens to it is counted, since it may happen again
    before it is over: it stands still (`pauses`), nothing reaches it (`deaf`), nothing that
    it sends arrives (`mute`), it has no way to the database (`stranded`)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str, skew: float) -> None:
        self.name = name
        self.up = True
        self.pauses = self.deaf = self.mute = self.stranded = 0
        self.clock = NodeClock(loop, skew, self.run)
        self.tasks: list[asyncio.Task[Any]] = []
        self.died: list[Callable[[], None]] = []
        self._deferred: list[Callable[[], None]] = []
        self._unsent: list[Callable[[], None]] = []
        self._unheard: list[Callable[[], None]] = []

    def run(self, call: Callable[[], None]) -> None:
        """Calls it: now, when the node goes on, or never."""
        if not self.up:
            return
        if self.pauses:
            self._deferred.append(call)
        else:
            call()

    def pause(self) -> None:
        self.pauses += 1

    def resume(self) -> None:
        self.pauses = max(self.pauses - 1, 0)
        if not self.pauses:
            deferred, self._deferred = self._deferred, []
            for call in deferred:
                self.run(call)

    def crash(self) -> None:
        self.up = False
        for task in self.tasks:
            task.cancel()
        for call in self.died:
            call()

    # cuts: what is sent meanwhile is lost, or comes when the cut is over

    def keep_unsent(self, send: Callable[[], None]) -> None:
        self._unsent.append(send)

    def keep_unheard(self, hear: Callable[[], None]) -> None:
        self._unheard.append(hear)

    def mend(self, *, deaf: int = 0, mute: int = 0) -> None:
        self.deaf = max(self.deaf - deaf, 0)
        self.mute = max(self.mute - mute, 0)
        if not self.deaf:
            late, self._unheard = self._unheard, []
            for call in late:
                self.run(call)
        if not self.mute:
            late, self._unsent = self._unsent, []
            if self.up:
                for call in late:
                    call()
