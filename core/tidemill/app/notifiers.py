"""The notifiers of a process, from the plugins that are installed, made when needed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from tidelang.models import templates_of
from tidemill.plugins import Plugins, load
from tidemill.spi import Notifier


class InstalledNotifiers:
    """See `tidemill.ports.Notifiers`."""

    def __init__(self) -> None:
        self._made: dict[str, Notifier] = {}

    @cached_property
    def _plugins(self) -> Plugins:
        return load()

    def get(self, kind: str) -> Notifier:
        if kind not in self._made:
            self._made[kind] = self._plugins.notifiers.require(kind).factory()
        return self._made[kind]

    def settings(self, kind: str, values: Mapping[str, Any]) -> Any:
        return self._plugins.notifiers.settings(kind, values)

    def templates(self, kind: str) -> Mapping[str, str]:
        return templates_of(self._plugins.notifiers.require(kind).settings)

    def timeout(self, kind: str) -> float:
        return self._plugins.notifiers.require(kind).timeout

    async def close(self) -> None:
        for notifier in self._made.values():
            await notifier.close()
