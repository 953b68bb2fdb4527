"""The output of a step that was taken up: all of it, out of the engine's own log."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

from tidemill_docker import program
from tidemill_docker.engine import Engine, EngineGone, Missing, Refused

_SAID_LIMIT = 16384
_WAITING = 16
"""Pieces that wait to be taken."""


class Replay:
    """In the place of `Streams`: what was written while nobody listened, and what comes.
    The engine's log is read in a thread of its own, since the `docker` package blocks."""

    def __init__(self, engine: Engine, container: str, log: Any) -> None:
        """`log` is what `APIClient.logs` returned, streamed and followed."""
        self._engine = engine
        self._container = container
        self._log = log
        self._got = 0
        self.said = b""
        """What our own program has said; known at the end."""

    @classmethod
    async def of(cls, engine: Engine, container: str) -> Replay:
        """Raises: Missing, Refused, EngineGone."""
        return cls(engine, container, await _log(engine, container, follow=True))

    async def pieces(self) -> AsyncIterator[bytes]:
        """The step's own, from its first byte on. Nothing, where its beginning is gone: it
        has written more than the engine keeps."""
        data, begun = b"", False
        async for piece in self._all():
            data += piece
            if not begun:
                _, mark, behind = data.partition(program.MARK)
                if len(data) > _SAID_LIMIT and not mark:
                    break
                if not mark or b"\n" not in behind:
                    continue
                data, begun = behind.partition(b"\n")[2], True
            if data:
                yield data
            data = b""
        await self._hear()

    async def _all(self) -> AsyncIterator[bytes]:
        """Who follows a log is not given its last words, where the container ends just then:
        they are read again."""
        async for piece in self._read():
            self._got += len(piece)
            yield piece
        self.close()
        known = self._got
        with contextlib.suppress(Missing, Refused, EngineGone):
            self._log = await _log(self._engine, self._container, follow=False)
            async for piece in self._read():
                if len(piece) > known:
                    yield piece[known:]
                known = max(0, known - len(piece))

    async def _hear(self) -> None:
        wanted = {"stdout": False, "stderr": True, "tail": 500}
        with contextlib.suppress(Missing, Refused, EngineGone):
            said = await self._engine.call("logs", self._container, **wanted)
            self.said = bytes(said)[:_SAID_LIMIT]

    async def _read(self) -> AsyncIterator[bytes]:
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[bytes](_WAITING)

        def put(piece: bytes) -> None:
            asyncio.run_coroutine_threadsafe(queue.put(piece), loop).result()

        thread = threading.Thread(target=_pass_on, args=(iter(self._log), put), daemon=True)
        thread.start()
        while piece := await queue.get():
            yield piece

    def close(self) -> None:
        with contextlib.suppress(Exception):  # it has ended, and its connection with it
            self._log.close()


async def _log(engine: Engine, container: str, *, follow: bool) -> Any:
    wanted = {"stdout": True, "stderr": False, "stream": True, "follow": follow}
    return await engine.call("logs", container, **wanted)


def _pass_on(log: Iterator[bytes], put: Any) -> None:
    """An empty piece is the end. When the loop has gone nobody wants to know."""
    with contextlib.suppress(Exception):  # whatever the connection dies of
        for piece in log:
            put(piece)
    with contextlib.suppress(Exception):
        put(b"")
