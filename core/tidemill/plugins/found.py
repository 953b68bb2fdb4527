"""All that was found of plugins, to be asked by sort and kind."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from tidemill.plugins.offers import (
    ConfiguredOffers,
    Listener,
    Offer,
    Offered,
    Offers,
    PluginInfo,
)
from tidemill.spi import (
    ArtifactStoreType,
    ExecutorType,
    FunctionType,
    NotifierType,
    SecretProviderType,
)


class Plugins:
    """What `load` found. It never changes: a process that is to see a plugin that was
    installed since then loads again."""

    def __init__(
        self, found: Sequence[tuple[PluginInfo, Sequence[Offer]]], loaded_before: Collection[str]
    ) -> None:
        self._loaded_before = loaded_before
        self._infos = tuple(info for info, _ in found)
        self.executors: ConfiguredOffers[ExecutorType] = ConfiguredOffers("executor", self._infos)
        self.notifiers: ConfiguredOffers[NotifierType] = ConfiguredOffers("notifier", self._infos)
        self.secret_providers: ConfiguredOffers[SecretProviderType] = ConfiguredOffers(
            "secret provider", self._infos
        )
        self.artifact_stores: ConfiguredOffers[ArtifactStoreType] = ConfiguredOffers(
            "artifact store", self._infos
        )
        self.functions: Offers[FunctionType] = Offers("function", self._infos)
        for info, offers in found:
            for offer in offers:
                self._add(info, offer)

    def _add(self, info: PluginInfo, offer: Offer) -> None:
        match offer:
            case ExecutorType():
                self.executors.add(info, offer)
            case NotifierType():
                self.notifiers.add(info, offer)
            case SecretProviderType():
                self.secret_providers.add(info, offer)
            case ArtifactStoreType():
                self.artifact_stores.add(info, offer)
            case FunctionType():
                self.functions.add(info, offer)

    def installed(self) -> tuple[PluginInfo, ...]:
        """Every plugin, the failed ones as well, by distribution and name."""
        return self._infos

    def offers(self) -> list[Offered]:
        """All that they offer, also what cannot be used, by sort and kind."""
        return [
            *self.executors.all(),
            *self.notifiers.all(),
            *self.secret_providers.all(),
            *self.artifact_stores.all(),
            *self.functions.all(),
        ]

    def observers(self) -> list[tuple[PluginInfo, Listener]]:
        """Who is told of every event."""
        return self._called("tidemill_event")

    def policies(self) -> list[tuple[PluginInfo, Listener]]:
        """Who is asked before a step is offered."""
        return self._called("tidemill_before_dispatch")

    def _called(self, hook: str) -> list[tuple[PluginInfo, Listener]]:
        return [(info, each) for info in self._infos for each in info.called if each.hook == hook]

    def sources(self) -> list[Path] | None:
        """What decides about all answers: the folders where distributions are installed,
        and the files of all modules that were loaded since plugins were. None where a
        plugin has failed, of which more than files may be the cause."""
        if any(info.failure for info in self._infos):
            return None
        loaded = [m for name, m in list(sys.modules.items()) if name not in self._loaded_before]
        packages = {info.package for info in self._infos}
        loaded += [m for name, m in list(sys.modules.items()) if name.partition(".")[0] in packages]
        files = {str(getattr(module, "__file__", None) or "") for module in loaded}
        return [*map(Path, sys.path[1:]), *map(Path, sorted(files - {""}))]
