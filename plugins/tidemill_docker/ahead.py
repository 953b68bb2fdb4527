"""Containers that are made and started ahead of their step: at the start only its program is
sent to the shell that waits for it there.

They are an executor's like all others: their labels are the same, so that the fence's helper
kills them, and whoever removes what a killed worker left finds them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from tidemill.spi import Work
from tidemill_docker.engine import EngineGone, Missing, Refused
from tidemill_docker.life import Life
from tidemill_docker.opening import Opening
from tidemill_docker.step import Step


class Held:
    """A container that waits for exactly this work. `connect` says who makes and ends it."""

    def __init__(
        self, work: Work, step: Step, connect: Callable[[], Awaitable[tuple[Life, Opening]]]
    ) -> None:
        self.work = work
        self.step = step
        self._connect = connect
        self._ready: tuple[Life, Opening] | None = None

    async def get_ready(self) -> None:
        """Raises: StartError, SpiError: it cannot be; nothing is left of it."""
        life, opening = await self._connect()
        await life.get_ready(opening)
        self._ready = life, opening

    async def is_for(self, work: Work) -> bool:
        if self._ready is None or work != self.work:
            return False
        try:
            return await self._ready[1].is_still_ready()
        except (EngineGone, Missing, Refused):  # the start says it
            return False

    async def run(self) -> None:
        """The step, from its start to its end."""
        if self._ready is not None:
            life, opening = self._ready
            await life.run(opening)

    async def clear(self) -> None:
        """What is still being got ready clears up behind itself."""
        if self._ready is not None:
            await self._ready[0].clear()


class Ahead:
    """What an executor holds. `spawn` makes a task that the executor waits for at its end."""

    def __init__(self, spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]) -> None:
        self._spawn = spawn
        self._held: dict[str, Held] = {}

    async def make(self, held: Held) -> None:
        """Raises: StartError, SpiError: it cannot be got ready."""
        name = held.work.id
        self.drop(name)
        self._held[name] = held
        try:
            await asyncio.shield(self._spawn(held.get_ready()))
        except BaseException:
            if self._held.get(name) is held:
                self.drop(name)
            raise

    async def take(self, work: Work) -> Held | None:
        """What waits for this work. What was made for another one of its name, or has ended by
        itself, is thrown away."""
        held = self._held.pop(work.id, None)
        if held is None:
            return None
        is_wanted = False
        try:
            is_wanted = await held.is_for(work)
        finally:
            if not is_wanted:
                self._throw_away(held)
        return held if is_wanted else None

    def drop(self, name: str) -> None:
        if (held := self._held.pop(name, None)) is not None:
            self._throw_away(held)

    def drop_all(self) -> None:
        for name in tuple(self._held):
            self.drop(name)

    def _throw_away(self, held: Held) -> None:
        held.step.unwanted = True
        self._spawn(held.clear())
