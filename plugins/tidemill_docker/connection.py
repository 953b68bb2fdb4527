"""An executor's engine: found when it is first needed, and with nothing of the dead in it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

from tidemill.spi import StartError
from tidemill_docker import owner
from tidemill_docker.engine import Engine, EngineGone, Refused
from tidemill_docker.fence import Fence
from tidemill_docker.reaping import Leftovers, reap, remove_all


class Connection:
    """`taken` tells the tokens of steps that were taken up from a killed executor."""

    def __init__(
        self, executor: str, folder: Path, fence: Fence | None, taken: Callable[[], Collection[str]]
    ) -> None:
        self._label = f"{owner.EXECUTOR}={executor}"
        self._folder = folder
        self._fence = fence
        self._taken = taken
        self._known: dict[str, Path] = {}
        """Executors that were killed and taken over, and their folders."""
        self._ready: asyncio.Task[None] | None = None
        self.engine: Engine | None = None
        self.left = Leftovers(lambda: self.engine)

    async def reach(self) -> Engine:
        """Raises: StartError: there is no engine."""
        if self.engine is None:
            self.engine = Engine()
        await self.engine.connect()
        return self.engine

    async def open(self) -> Engine:
        """With what killed executors left removed, and with the helper at work.

        Raises:
            StartError: there is no engine.
        """
        engine = await self.reach()
        if self._ready is None or (self._ready.done() and self._ready.exception()):
            await asyncio.to_thread(_make_private, self._folder)
            self._ready = asyncio.ensure_future(reap(engine, self._taken(), self._known))
        await asyncio.shield(self._ready)
        if self._fence is not None:
            self._fence.watch(engine.url, self._label, self._folder)
        return engine

    def give_up_pulls(self) -> None:
        if self.engine is not None:
            self.engine.give_up_pulls()

    def take_over(self, engine: Engine, executor: str, folder: Path) -> None:
        """What a killed executor left is looked after by this one.

        Raises:
            StartError: it cannot be.
        """
        if self._fence is not None:
            self._fence.take_over(engine.url, f"{owner.EXECUTOR}={executor}", folder)
        self._known[executor] = folder

    async def close(self) -> None:
        await self.left.close()
        for executor, folder in self._known.items():
            if self.engine is not None:
                with contextlib.suppress(EngineGone, Refused):  # their helper is gone then
                    await remove_all(self.engine, f"{owner.EXECUTOR}={executor}")
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        self._known.clear()
        if self._fence is not None:
            self._fence.close()
        if self.engine is not None:
            await self.engine.close()
            self.engine = None


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"cannot make {folder}: {error.strerror}") from error
