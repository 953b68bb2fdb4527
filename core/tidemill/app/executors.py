"""The executors of a worker, from the plugins that are installed, made when needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from tidemill.errors import TidemillError
from tidemill.plugins import Plugins, load
from tidemill.spi import Executor, ExecutorContext


class InstalledExecutors:
    """See `tidemill.ports.Executors`."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._made: dict[str, Executor] = {}
        self._defaults: dict[str, Any] = {}

    @cached_property
    def _plugins(self) -> Plugins:
        return load()

    def get(self, kind: str) -> Executor:
        if kind not in self._made:
            context = ExecutorContext(self._scratch / kind)
            self._made[kind] = self._plugins.executor_type(kind).factory(context)
        return self._made[kind]

    def warm(self, kinds: Iterable[str]) -> None:
        """Makes the executors of these kinds ahead of the first step that waits for one.
        One that cannot be made is said by that step."""
        for kind in sorted(set(kinds)):
            with contextlib.suppress(TidemillError):
                self.get(kind)
                self.settings(kind, {})

    def settings(self, kind: str, values: Mapping[str, Any]) -> Any:
        if values:
            return self._plugins.settings(kind, values)
        if kind not in self._defaults:
            self._defaults[kind] = self._plugins.settings(kind, {})
        return self._defaults[kind]

    async def close(self) -> None:
        for executor in self._made.values():
            await executor.close()
