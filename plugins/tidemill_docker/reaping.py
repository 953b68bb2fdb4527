"""Removing what steps left in the engine: containers and networks, known by their labels."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from tidemill.spi import StartError
from tidemill_docker import owner
from tidemill_docker.engine import Engine, EngineGone, Missing, Refused

_SOON, _LATE = 0.2, 30.0


async def containers(engine: Engine, label: str) -> list[dict[str, Any]]:
    return list(await engine.call("containers", all=True, filters={"label": label}))


async def remove_container(engine: Engine, container: str) -> None:
    """With its volumes. Raises: EngineGone, Refused: it may still be there."""
    with contextlib.suppress(Missing):
        await engine.call("remove_container", container, v=True, force=True)


async def remove_all(engine: Engine, label: str) -> None:
    """Every container with this label, then every network.

    Raises:
        EngineGone, Refused: something may be left.
    """
    found = await containers(engine, label)
    await asyncio.gather(*(remove_container(engine, each["Id"]) for each in found))
    for network in await engine.call("networks", filters={"label": label}):
        with contextlib.suppress(Missing):
            await engine.call("remove_network", network["Id"])


async def reap(engine: Engine, taken: Collection[str], known: Collection[str]) -> None:
    """Removes what killed executors left, but for the steps with these tokens, and those
    that wait for another worker. `known` are executors that have been taken over: what of
    theirs has not been taken by now never will be.

    Raises:
        StartError: the engine does not answer.
    """

    def is_left(labels: Mapping[str, str]) -> bool:
        if labels.get(owner.TOKEN) in taken or not owner.is_dead_ones(labels):
            return False
        return labels.get(owner.EXECUTOR) in known or not owner.is_kept(labels)

    try:
        found = await containers(engine, owner.OWNER)
        found += await engine.call("networks", filters={"label": owner.OWNER})
        left = {each["Labels"][owner.TOKEN]: each for each in found if is_left(each["Labels"])}
        for token, each in left.items():
            with contextlib.suppress(Refused):  # another one is at it
                await remove_all(engine, f"{owner.TOKEN}={token}")
            folder = Path(each["Labels"].get(owner.FOLDER, ""))
            if folder.parent.name.startswith("docker-"):
                shared = each["Labels"].get(owner.EXECUTOR) in known
                gone = folder if shared else folder.parent
                await asyncio.to_thread(shutil.rmtree, gone, ignore_errors=True)
    except (EngineGone, Refused) as error:
        raise StartError(f"the Docker engine does not answer: {error}") from error


class Leftovers:
    """Steps whose ends the engine did not see to, since it was away: what is theirs is
    removed when it is back."""

    def __init__(self, engine: Callable[[], Engine | None]) -> None:
        self._engine = engine
        self._tokens: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def add(self, token: str) -> None:
        self._tokens.add(token)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._sweep())

    async def _sweep(self) -> None:
        pause = _SOON
        while self._tokens:
            await asyncio.sleep(pause)
            await self._clear()
            pause = min(2 * pause, _LATE)

    async def _clear(self) -> None:
        engine = self._engine()
        for token in tuple(self._tokens) if engine is not None else ():
            with contextlib.suppress(EngineGone, Refused):
                await remove_all(engine, f"{owner.TOKEN}={token}")  # type: ignore[arg-type]
                self._tokens.discard(token)

    async def close(self) -> None:
        """Tries it a last time; the next executor on this machine does the rest."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._clear()
