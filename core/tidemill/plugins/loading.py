"""Importing every installed plugin, and asking it what it offers."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy
from pydantic import BaseModel

from tidemill.plugins.found import Plugins
from tidemill.plugins.offers import Failure, Offer, PluginInfo
from tidemill.spi import (
    PROJECT,
    VERSION,
    ArtifactStoreType,
    ExecutorType,
    Hooks,
    NotifierType,
    SecretProviderType,
)

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "tidemill"

WRITTEN_FOR = "TIDEMILL_SPI"
"""Where a plugin's module says which version of `tidemill.spi` it was written for."""


def load() -> Plugins:
    """Imports every installed plugin and asks it what it offers. Never fails: what is
    wrong with a plugin is part of the answer."""
    from importlib.metadata import entry_points  # a scan of the disk: only when asked

    before = frozenset(sys.modules)
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    points = sorted(entry_points(group=GROUP), key=lambda point: (_distribution(point), point.name))
    return Plugins([_ask(manager, point) for point in points], before)


def _ask(manager: pluggy.PluginManager, point: EntryPoint) -> tuple[PluginInfo, Sequence[Offer]]:
    distribution, version = _distribution(point)
    try:
        offers = _offered(manager, point)
    # A stranger's code may raise anything, and must not take the others with it.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        failure = Failure(point.name, distribution, version, _one_line(error))
        return PluginInfo(point.name, distribution, version, failure=failure), ()
    package = point.module.partition(".")[0]
    kinds = tuple(offer.kind for offer in offers)
    return PluginInfo(point.name, distribution, version, package, kinds), offers


def _offered(manager: pluggy.PluginManager, point: EntryPoint) -> list[Offer]:
    plugin = point.load()
    _check_version(plugin)
    name = ":".join((*_distribution(point), point.name))
    if manager.is_registered(plugin):
        raise ValueError(f"{point.value} is another plugin's entry point as well")
    others = manager.get_plugins()
    manager.register(plugin, name)
    try:
        _check_hooks(manager, plugin)
    except pluggy.PluginValidationError:
        manager.unregister(plugin)
        raise
    found: list[Offer] = []
    for hook in _SORTS:
        answers = manager.subset_hook_caller(hook, others)()
        offers = [offer for answer in answers for offer in _checked(answer, hook)]
        kinds = [offer.kind for offer in offers]
        twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
        if twice:
            raise ValueError(f"{hook} offers {', '.join(twice)} twice")
        found.extend(offers)
    return found


def _check_version(plugin: object) -> None:
    written_for = getattr(plugin, WRITTEN_FOR, None)
    if written_for is None:
        raise ValueError(
            f"it does not say which version of tidemill.spi it was written for: {WRITTEN_FOR} = …"
        )
    if written_for != VERSION:
        newer = isinstance(written_for, int) and written_for > VERSION
        what = "upgrade tidemill" if newer else "upgrade the plugin"
        raise ValueError(
            f"it was written for version {written_for} of tidemill.spi, this tidemill has "
            f"{VERSION}: {what}"
        )


def _check_hooks(manager: pluggy.PluginManager, plugin: object) -> None:
    """A misspelt hook would otherwise never be called, in silence."""
    for caller in manager.get_hookcallers(plugin) or []:
        if not caller.has_spec():
            raise pluggy.PluginValidationError(plugin, f"there is no hook {caller.name}")


# What each hook returns, its word, and the words that are no names for its settings.
_SORTS: dict[str, tuple[type[Offer], str, tuple[str, ...]]] = {
    "tidemill_executors": (ExecutorType, "executor", ()),
    "tidemill_notifiers": (NotifierType, "notifier", ("on",)),
    "tidemill_secrets": (SecretProviderType, "secret provider", ("provider",)),
    "tidemill_artifact_stores": (ArtifactStoreType, "artifact store", ("url", "cache")),
}

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
"""RFC 3986, section 3.1, in lower case."""


def _checked(answer: object, hook: str) -> Sequence[Offer]:
    wanted, word, _ = _SORTS[hook]
    if not isinstance(answer, Sequence):
        raise TypeError(f"{hook} returned {answer!r}, not a list of {word} types")
    for offer in answer:
        if not isinstance(offer, wanted):
            raise TypeError(f"{hook} returned {offer!r}, not {_an(word)} type")
        _check_offer(offer, hook)
    return answer


def _check_offer(offer: Offer, hook: str) -> None:
    _, word, taken = _SORTS[hook]
    if not isinstance(offer.kind, str) or not _is_kind(offer):
        raise ValueError(f"{_an(word)}'s kind must be a plain word, not {offer.kind!r}")
    model = offer.settings
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise TypeError(f"the settings of {word} {offer.kind} are no pydantic model")
    for name in taken:
        if name in model.model_fields:
            raise ValueError(
                f"{word} {offer.kind} has a setting `{name}`, which is the language's own"
            )
    if not callable(offer.factory):
        raise TypeError(f"the factory of {word} {offer.kind} cannot be called")


def _is_kind(offer: Offer) -> bool:
    if isinstance(offer, ArtifactStoreType):
        return _SCHEME.fullmatch(offer.kind) is not None
    return offer.kind.isidentifier()


def _an(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def _distribution(point: EntryPoint) -> tuple[str, str]:
    dist = point.dist
    return (dist.name, dist.version) if dist is not None else ("unknown", "")


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
