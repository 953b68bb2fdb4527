"""The executor of the workers, and what else they are given."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tidemill.ports import CachedResult, StoredFile
from tidemill.spi import Handle, Outcome, SavedFile, StepIO, Work, exited, killed
from tidemill.testing.simulation.nodes import Node
from tidemill.testing.simulation.pipelines import SHORT, encoded, name_of, values_of
from tidemill.testing.simulation.promises import Promises

SECONDS = (0.01, 0.5, 3.0, 12.0, 45.0)
WEIGHTS = (2, 2, 3, 3, 2)
FAIL = 0.05

LATEST = 160.0
"""By when steps are over that would take longer: what is left to be seen then is that all
comes to its end."""
SOON = 3.0


class NoSettings(BaseModel):
    pass


NO_SETTINGS = NoSettings()


class Steps:
    """Steps take their time, some fail. They die with their node, as the steps of the local
    executor do."""

    def __init__(self, node: Node, dice: random.Random, promises: Promises) -> None:
        self._node, self._dice, self._promises = node, dice, promises
        self._ends: dict[str, asyncio.Future[Outcome]] = {}
        node.died.append(self._die)

    def get(self, kind: str) -> Steps:
        del kind
        return self

    def settings(self, kind: str, values: Mapping[str, Any]) -> NoSettings:
        del kind, values
        return NO_SETTINGS

    self_fencing = False
    recovers = False

    def extend(self, seconds: float, since: float) -> None: ...

    async def prepare(self, work: Work) -> None: ...

    def discard(self, work: Work) -> None: ...

    async def start(self, work: Work, io: StepIO) -> Handle:
        del io
        dice, clock, name = self._dice, self._node.clock, name_of(work.step)
        self._promises.begun(work, self._node.name)
        self._ends[work.id] = asyncio.get_running_loop().create_future()
        usual = dice.choices(SECONDS, WEIGHTS)[0]
        seconds = (usual if name not in SHORT else min(usual, 6.0)) * dice.uniform(0.5, 1.5)
        seconds = min(seconds, max(SOON, LATEST - clock.loop.time()))
        values: dict[str, Any] = {}
        if dice.random() < FAIL:
            outcome = exited(1)
        else:
            values = values_of(name, work.fence, dice.randint(0, 4))
            outcome = exited(0, values=encoded(values))
        clock.call_at(clock.now() + seconds, partial(self._end, work.id, outcome, values))
        if self._promises.ambush is not None:
            ambush, self._promises.ambush = self._promises.ambush, None
            clock.loop.call_soon(ambush, self._node.name)
        return Handle(work.id)

    async def wait(self, handle: Handle) -> Outcome:
        return await self._ends[handle.token]

    async def stop(self, handle: Handle, grace: float) -> None:
        del grace
        self._end(handle.token, killed(9), {})

    async def restore(self, work: Work, files: Sequence[SavedFile]) -> None: ...

    async def recover(
        self, token: str, work: Work | None = None, io: StepIO | None = None
    ) -> Handle | None:
        del token, work, io
        return None

    async def close(self) -> None: ...

    def _end(self, work_id: str, outcome: Outcome, values: dict[str, Any]) -> None:
        future = self._ends[work_id]
        if not future.done():
            self._promises.over(work_id, outcome.code, values)
            future.set_result(outcome)

    def _die(self) -> None:
        for work_id, future in self._ends.items():
            if not future.done():
                self._promises.over(work_id, None, {})
                future.cancel()


class Nothing:
    """Artifacts, results and secrets of which no step has any."""

    async def get(self, names: Any) -> Any:
        del names
        return {}

    async def put(self, source: Path) -> StoredFile:
        raise OSError(f"no files here: {source}")

    async def renew(self, digest: str) -> None:
        raise OSError(f"no files here: {digest}")

    def release(self, digest: str) -> None:
        del digest

    async def close(self) -> None: ...

    async def find(self, key: str) -> CachedResult | None:
        del key
        return None

    async def keep(self, key: str, result: CachedResult) -> None:
        del key, result
