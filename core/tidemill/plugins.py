"""Finding plugins: which are installed, what they offer, and what is wrong with them.

A plugin is an entry point in the group `tidemill` of any installed distribution. Each is
imported and asked by itself, so one that fails is named where it matters and harms
nothing else. What an executor does is no business of this module.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pluggy
from pydantic import BaseModel, ValidationError

from tidemill.errors import TidemillError
from tidemill.spi import PROJECT, ExecutorType, Hooks, NotifierType

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
    """An installed plugin, by its entry point's name, the package that it is in, and the
    kinds that it offers."""

    name: str
    distribution: str
    version: str
    package: str = ""
    kinds: tuple[str, ...] = ()
    failure: Failure | None = None

    @property
    def title(self) -> str:
        return f"{self.distribution} {self.version}"


Offer = ExecutorType | NotifierType


@dataclass(frozen=True, slots=True)
class Offered:
    """What a plugin offers: a `sort` (executor, notifier) of a kind. `problem` says why it
    cannot be used."""

    sort: str
    offer: Offer
    info: PluginInfo
    problem: str = ""


class Plugins:
    """What `load` found. It never changes: a process that is to see a plugin that was
    installed since then loads again."""

    def __init__(
        self, found: Sequence[tuple[PluginInfo, Sequence[Offer]]], loaded_before: Collection[str]
    ) -> None:
        self._loaded_before = loaded_before
        self._infos = tuple(info for info, _ in found)
        self._executors: _Offers[ExecutorType] = _Offers("executor")
        self._notifiers: _Offers[NotifierType] = _Offers("notifier")
        for info, offers in found:
            for offer in offers:
                if isinstance(offer, ExecutorType):
                    self._executors.add(info, offer)
                else:
                    self._notifiers.add(info, offer)

    def installed(self) -> tuple[PluginInfo, ...]:
        """Every plugin, the failed ones as well, by distribution and name."""
        return self._infos

    def offers(self) -> list[Offered]:
        """All that they offer, also what cannot be used, by sort and kind."""
        return [*self._executors.all(self._infos), *self._notifiers.all(self._infos)]

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

    def executor_kinds(self) -> tuple[str, ...]:
        """The words that may stand behind `executor`, in alphabetical order."""
        return self._executors.kinds()

    def executor_settings(self, kind: str) -> type[BaseModel] | None:
        """The model of an executor's settings; None for a kind that cannot be used."""
        found = self._executors.get(kind)
        return found.settings if found else None

    def executor_origin(self, kind: str) -> str:
        """The distribution that offers it, with its version."""
        return self._executors.origin(kind)

    def problem(self, kind: str) -> str | None:
        """Why an executor cannot be used, where more is known than that nobody offers it."""
        return self._executors.problem(kind, self._infos)

    def notifier_kinds(self) -> tuple[str, ...]:
        """The words that may stand behind `notify`, in alphabetical order."""
        return self._notifiers.kinds()

    def notifier_settings(self, kind: str) -> type[BaseModel] | None:
        """The model of a notifier's settings; None for a kind that cannot be used."""
        found = self._notifiers.get(kind)
        return found.settings if found else None

    def notifier_origin(self, kind: str) -> str:
        """The distribution that offers it, with its version."""
        return self._notifiers.origin(kind)

    def notifier_problem(self, kind: str) -> str | None:
        """Why a notifier cannot be used, where more is known than that nobody offers it."""
        return self._notifiers.problem(kind, self._infos)

    def executor_type(self, kind: str) -> ExecutorType:
        """Raises: PluginError: the kind cannot be used; the hint says what is installed."""
        found = self._executors.get(kind)
        if found is not None:
            return found
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


_T = TypeVar("_T", ExecutorType, NotifierType)


class _Offers(Generic[_T]):
    """What plugins offer of one sort, by kind."""

    def __init__(self, word: str) -> None:
        self._word = word
        self._offers: dict[str, list[tuple[PluginInfo, _T]]] = {}

    def add(self, info: PluginInfo, offer: _T) -> None:
        self._offers.setdefault(offer.kind, []).append((info, offer))

    def all(self, infos: Sequence[PluginInfo]) -> list[Offered]:
        return [
            Offered(self._word, offer, info, self.problem(kind, infos) or "")
            for kind in sorted(self._offers)
            for info, offer in self._offers[kind]
        ]

    def kinds(self) -> tuple[str, ...]:
        return tuple(sorted(kind for kind, offers in self._offers.items() if len(offers) == 1))

    def get(self, kind: str) -> _T | None:
        offers = self._offers.get(kind, [])
        return offers[0][1] if len(offers) == 1 else None

    def origin(self, kind: str) -> str:
        offers = self._offers.get(kind, [])
        return offers[0][0].title if len(offers) == 1 else ""

    def problem(self, kind: str, infos: Sequence[PluginInfo]) -> str | None:
        offers = self._offers.get(kind, [])
        if len(offers) > 1:
            claims = " and ".join(info.title for info, _ in offers)
            return f"{self._word} {kind} is claimed by {claims}: uninstall one of them"
        if offers:
            return None
        failures = [info.failure for info in infos if info.failure and info.name == kind]
        return str(failures[0]) if failures else None


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
    for hook, kind in _HOOKS.items():
        answers = manager.subset_hook_caller(hook, others)()
        offers = [offer for answer in answers for offer in _checked(answer, hook, kind)]
        kinds = [offer.kind for offer in offers]
        twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
        if twice:
            raise ValueError(f"{hook} offers {', '.join(twice)} twice")
        found.extend(offers)
    return found


_HOOKS: dict[str, type[ExecutorType | NotifierType]] = {
    "tidemill_executors": ExecutorType,
    "tidemill_notifiers": NotifierType,
}
_WORDS = {ExecutorType: "executor", NotifierType: "notifier"}


def _check_hooks(manager: pluggy.PluginManager, plugin: object) -> None:
    """A misspelt hook would otherwise never be called, in silence."""
    for caller in manager.get_hookcallers(plugin) or []:
        if not caller.has_spec():
            raise pluggy.PluginValidationError(plugin, f"there is no hook {caller.name}")


def _checked(
    answer: object, hook: str, wanted: type[ExecutorType | NotifierType]
) -> Sequence[Offer]:
    word = _WORDS[wanted]
    if not isinstance(answer, Sequence):
        raise TypeError(f"{hook} returned {answer!r}, not a list of {word} types")
    for offer in answer:
        if not isinstance(offer, wanted):
            raise TypeError(f"{hook} returned {offer!r}, not {_an(word)} type")
        if not isinstance(offer.kind, str) or not offer.kind.isidentifier():
            raise ValueError(f"{_an(word)}'s kind must be a plain word, not {offer.kind!r}")
        model = offer.settings
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise TypeError(f"the settings of {word} {offer.kind} are no pydantic model")
        if wanted is NotifierType and "on" in model.model_fields:
            raise ValueError(f"{word} {offer.kind} has a setting `on`, which is the language's own")
        if not callable(offer.factory):
            raise TypeError(f"the factory of {word} {offer.kind} cannot be called")
    return answer


def _an(word: str) -> str:
    return f"an {word}" if word.startswith("e") else f"a {word}"


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
