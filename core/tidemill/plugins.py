"""Finding plugins: which are installed, what they offer, and what is wrong with them.

A plugin is an entry point in the group `tidemill` of any installed distribution. Each is
imported and asked by itself, so one that fails is named where it matters and harms
nothing else. What an executor does is no business of this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pluggy
from pydantic import BaseModel, ValidationError

from tidemill.errors import TidemillError
from tidemill.spi import PROJECT, ExecutorType, Hooks

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "tidemill"


class PluginError(TidemillError):
    """A plugin is missing or broken, or was given settings that it does not take."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A plugin that cannot be used, and why, in one line."""

    plugin: str
    distribution: str
    version: str
    error: str

    def __str__(self) -> str:
        return f"plugin {self.plugin} of {self.distribution} {self.version} failed: {self.error}"


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """An installed plugin, by its entry point's name, and the kinds that it offers."""

    name: str
    distribution: str
    version: str
    kinds: tuple[str, ...] = ()
    failure: Failure | None = None

    @property
    def title(self) -> str:
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True, slots=True)
class _Offer:
    info: PluginInfo
    executor: ExecutorType


class Plugins:
    """What `load` found. It never changes: a process that is to see a plugin that was
    installed since then loads again."""

    def __init__(self, found: Sequence[tuple[PluginInfo, Sequence[ExecutorType]]]) -> None:
        self._infos = tuple(info for info, _ in found)
        self._offers: dict[str, list[_Offer]] = {}
        for info, executors in found:
            for executor in executors:
                self._offers.setdefault(executor.kind, []).append(_Offer(info, executor))

    def installed(self) -> tuple[PluginInfo, ...]:
        """Every plugin, the failed ones as well, by distribution and name."""
        return self._infos

    def executor_kinds(self) -> tuple[str, ...]:
        """The words that may stand behind `executor`, in alphabetical order."""
        return tuple(sorted(kind for kind, offers in self._offers.items() if len(offers) == 1))

    def executor_settings(self, kind: str) -> type[BaseModel] | None:
        """The model of an executor's settings; None for a kind that cannot be used."""
        offers = self._offers.get(kind, [])
        return offers[0].executor.settings if len(offers) == 1 else None

    def problem(self, kind: str) -> str | None:
        """Why a kind cannot be used, where more is known than that nobody offers it."""
        offers = self._offers.get(kind, [])
        if len(offers) > 1:
            claims = " and ".join(offer.info.title for offer in offers)
            return f"executor {kind} is claimed by {claims}: uninstall one of them"
        if offers:
            return None
        failures = [info.failure for info in self._infos if info.failure and info.name == kind]
        return str(failures[0]) if failures else None

    def executor_type(self, kind: str) -> ExecutorType:
        """Raises: PluginError: the kind cannot be used; the hint says what is installed."""
        offers = self._offers.get(kind, [])
        if len(offers) == 1:
            return offers[0].executor
        problem = self.problem(kind) or f"there is no executor {kind}"
        raise PluginError(problem, hint=self._hint())

    def settings(self, kind: str, values: Mapping[str, Any]) -> BaseModel:
        """The settings of an executor from their values in a pipeline.

        Raises:
            PluginError: the kind cannot be used, or a value is not what it takes.
        """
        model = self.executor_type(kind).settings
        try:
            return model.model_validate(dict(values))
        except ValidationError as error:
            mistakes = "; ".join(_words(details) for details in error.errors())
            known = ", ".join(model.model_fields) or "none"
            raise PluginError(
                f"executor {kind}: {mistakes}", hint=f"its settings are: {known}"
            ) from error

    def _hint(self) -> str:
        kinds = self.executor_kinds()
        hint = f"installed executors: {', '.join(kinds)}" if kinds else "no executor is installed"
        failures = [str(info.failure) for info in self._infos if info.failure]
        return "; ".join([hint, *failures])


def load() -> Plugins:
    """Imports every installed plugin and asks it what it offers. Never fails: what is
    wrong with a plugin is part of the answer."""
    from importlib.metadata import entry_points  # a scan of the disk: only when asked

    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    points = sorted(entry_points(group=GROUP), key=lambda point: (_distribution(point), point.name))
    return Plugins([_ask(manager, point) for point in points])


def _ask(
    manager: pluggy.PluginManager, point: EntryPoint
) -> tuple[PluginInfo, Sequence[ExecutorType]]:
    distribution, version = _distribution(point)
    try:
        executors = _executors(manager, point)
    # A stranger's code may raise anything, and must not take the others with it.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        failure = Failure(point.name, distribution, version, _one_line(error))
        return PluginInfo(point.name, distribution, version, failure=failure), ()
    kinds = tuple(executor.kind for executor in executors)
    return PluginInfo(point.name, distribution, version, kinds), executors


def _executors(manager: pluggy.PluginManager, point: EntryPoint) -> list[ExecutorType]:
    plugin = point.load()
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
    answers = manager.subset_hook_caller("tidemill_executors", others)()
    executors = [executor for answer in answers for executor in _checked(answer)]
    kinds = [executor.kind for executor in executors]
    twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
    if twice:
        raise ValueError(f"tidemill_executors offers {', '.join(twice)} twice")
    return executors


def _check_hooks(manager: pluggy.PluginManager, plugin: object) -> None:
    """A misspelt hook would otherwise never be called, in silence."""
    for caller in manager.get_hookcallers(plugin) or []:
        if not caller.has_spec():
            raise pluggy.PluginValidationError(plugin, f"there is no hook {caller.name}")


def _checked(answer: object) -> Sequence[ExecutorType]:
    if not isinstance(answer, Sequence):
        raise TypeError(f"tidemill_executors returned {answer!r}, not a list of executor types")
    for executor in answer:
        if not isinstance(executor, ExecutorType):
            raise TypeError(f"tidemill_executors returned {executor!r}, not an executor type")
        if not isinstance(executor.kind, str) or not executor.kind.isidentifier():
            raise ValueError(f"an executor's kind must be a plain word, not {executor.kind!r}")
        model = executor.settings
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise TypeError(f"the settings of executor {executor.kind} are no pydantic model")
        if not callable(executor.factory):
            raise TypeError(f"the factory of executor {executor.kind} cannot be called")
    return answer


def _distribution(point: EntryPoint) -> tuple[str, str]:
    dist = point.dist
    return (dist.name, dist.version) if dist is not None else ("unknown", "")


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _words(details: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in details["loc"])
    if details["type"] == "missing":
        return f"{name} is missing"
    if details["type"] == "extra_forbidden":
        return f"there is no setting {name}"
    text = str(details["msg"]).removeprefix("Value error, ")
    return f"{name}: {text[:1].lower()}{text[1:]}" if name else text
