"""Importing every installed plugin, and asking it what it offers."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

from tidemill.plugins.checks import SORTS, checked
from tidemill.plugins.found import Plugins
from tidemill.plugins.offers import Failure, Listener, Offer, PluginInfo
from tidemill.spi import PROJECT, VERSION, Hooks

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "tidemill"

WRITTEN_FOR = "TIDEMILL_SPI"
"""Where a plugin's module says which version of `tidemill.spi` it was written for."""

CALLED = ("tidemill_event", "tidemill_before_dispatch")
"""The hooks that offer nothing, and are called while runs go on."""


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
        offers, called = _offered(manager, point)
    # A stranger's code may raise anything, and must not take the others with it.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        failure = Failure(point.name, distribution, version, _one_line(error))
        return PluginInfo(point.name, distribution, version, failure=failure), ()
    package = point.module.partition(".")[0]
    kinds = tuple(offer.kind for offer in offers)
    return PluginInfo(point.name, distribution, version, package, kinds, called), offers


def _offered(
    manager: pluggy.PluginManager, point: EntryPoint
) -> tuple[list[Offer], tuple[Listener, ...]]:
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
    for hook in SORTS:
        answers = manager.subset_hook_caller(hook, others)()
        offers = [offer for answer in answers for offer in checked(answer, hook)]
        kinds = [offer.kind for offer in offers]
        twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
        if twice:
            raise ValueError(f"{hook} offers {', '.join(twice)} twice")
        found.extend(offers)
    return found, _called(plugin, [caller.name for caller in manager.get_hookcallers(plugin) or []])


def _called(plugin: object, hooks: Sequence[str]) -> tuple[Listener, ...]:
    """The hooks of a plugin that are called while runs go on: of it alone, whoever is
    registered later."""
    wanted = [hook for hook in CALLED if hook in hooks]
    if not wanted:
        return ()
    alone = pluggy.PluginManager(PROJECT)
    alone.add_hookspecs(Hooks)
    alone.register(plugin)
    return tuple(Listener(hook, getattr(alone.hook, hook)) for hook in wanted)


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
        if inspect.iscoroutinefunction(getattr(plugin, caller.name, None)):
            raise pluggy.PluginValidationError(plugin, f"{caller.name} is a coroutine function")


def _distribution(point: EntryPoint) -> tuple[str, str]:
    dist = point.dist
    return (dist.name, dist.version) if dist is not None else ("unknown", "")


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
