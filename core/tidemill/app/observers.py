"""The plugins of a process that are told of every event."""

from __future__ import annotations

import asyncio
import os
import queue
import socket
import threading
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tidemill.app.fleet import writing_store
from tidemill.engine.observing import Observing
from tidemill.plugins import Listener, PluginInfo, Plugins
from tidemill.ports import Clock, Store
from tidemill.project import Project
from tidemill.spi import Event

LONGEST = 10.0
"""Seconds that a plugin may take for an event. Less than for how long a cursor is held."""

Job = tuple[Event, asyncio.AbstractEventLoop, "asyncio.Future[str]"]


class InstalledObserver:
    """See `tidemill.ports.Observer`. It is called on a thread of its own, which ends with
    the process whatever it does: one that blocks stops nobody."""

    def __init__(self, info: PluginInfo, listener: Listener, longest: float = LONGEST) -> None:
        self.name, self.title = info.identity, f"plugin {info.name} of {info.title}"
        self._listener, self._longest = listener, longest
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._last: asyncio.Future[str] | None = None

    @property
    def idle(self) -> bool:
        return self._last is None or self._last.done()

    async def tell(self, event: Event) -> str:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self.name, daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        self._last = loop.create_future()
        self._jobs.put((event, loop, self._last))
        done, _ = await asyncio.wait({self._last}, timeout=self._longest)
        return self._last.result() if done else f"it took more than {self._longest:g} s"

    def _work(self) -> None:
        while True:
            event, loop, future = self._jobs.get()
            error = self._call(event)
            try:
                loop.call_soon_threadsafe(_settle, future, error)
            except RuntimeError:  # the loop is closed: the process is about to end
                return

    def _call(self, event: Event) -> str:
        try:
            self._listener.call(event=event)
        except BaseException as error:  # noqa: BLE001 -- a plugin may raise anything
            text = " ".join(str(error).split())[:500]
            return f"{type(error).__name__}: {text}" if text else type(error).__name__
        return ""


def _settle(future: asyncio.Future[str], error: str) -> None:
    if not future.done():
        future.set_result(error)


def passed_over(plugins: Plugins, project: Project) -> dict[str, int]:
    """How many events the installed observers were told of too often in vain, by the titles of
    those that missed any.

    Raises:
        TidemillError: the database cannot be used.
    """
    infos = [info for info, _ in plugins.observers()]
    if not infos:
        return {}
    rows = writing_store(project).transact_now(
        lambda tx: [(info, tx.observer(info.identity)) for info in infos]
    )
    return {
        f"plugin {info.name} of {info.title}": row.passed_over
        for info, row in rows
        if row is not None and row.passed_over
    }


@asynccontextmanager
async def observing(plugins: Plugins, store: Store, clock: Clock) -> AsyncIterator[Observing]:
    """Tells all observers, until it is left. Costs nothing where there are none."""
    observers = [InstalledObserver(info, listener) for info, listener in plugins.observers()]
    me = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    work = Observing(store, clock, observers, me)
    work.start()
    try:
        yield work
    finally:
        await work.close()
        await store.close()
