"""The executors of a worker, from the plugins that are installed, made when needed."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from tidemill.errors import TidemillError
from tidemill.plugins import Plugins, load
from tidemill.spi import Executor, ExecutorContext, StartError

log = logging.getLogger(__name__)


class InstalledExecutors:
    """See `tidemill.ports.Executors`. Steps of a worker that is not `leased` are nobody
    else's, whatever happens to it. Those of one that is `recoverable` go on when it is
    killed, until it is started again or their time is over."""

    def __init__(self, scratch: Path, *, leased: bool = False, recoverable: bool = False) -> None:
        self._scratch = scratch
        self._leased = leased
        self._recoverable = recoverable
        self._time: tuple[float, float] | None = None
        self._made: dict[str, Executor] = {}
        self._defaults: dict[str, Any] = {}

    @cached_property
    def plugins(self) -> Plugins:
        return load()

    def get(self, kind: str) -> Executor:
        if kind not in self._made:
            context = ExecutorContext(self._scratch / kind, self._leased, self._recoverable)
            self._made[kind] = self.plugins.executors.require(kind).factory(context)
            self._tell(kind)
        return self._made[kind]

    def warm(self, kinds: Iterable[str]) -> None:
        """Makes the executors of these kinds ahead of the first step that waits for one.
        One that cannot be made is said by that step."""
        for kind in sorted(set(kinds)):
            with contextlib.suppress(TidemillError, StartError):
                self.get(kind)
                self.settings(kind, {})

    def settings(self, kind: str, values: Mapping[str, Any]) -> Any:
        if values:
            return self.plugins.executors.settings(kind, values)
        if kind not in self._defaults:
            self._defaults[kind] = self.plugins.executors.settings(kind, {})
        return self._defaults[kind]

    def extend(self, seconds: float, since: float) -> None:
        self._time = (seconds, since)
        for kind in self._made:
            self._tell(kind)

    def _tell(self, kind: str) -> None:
        if self._time is None:
            return
        try:
            self._made[kind].extend(*self._time)
        except Exception:  # logged with its traceback: a plugin's bug must not cost the worker
            log.exception("executor %r cannot be told how long its steps may be at work", kind)

    async def close(self) -> None:
        for executor in self._made.values():
            await executor.close()
