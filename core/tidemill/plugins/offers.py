"""What installed plugins offer of one sort, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from tidemill.errors import TidemillError
from tidemill.spi import (
    ArtifactStoreType,
    ExecutorType,
    FunctionType,
    NotifierType,
    SecretProviderType,
)


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
class Listener:
    """A plugin's implementation of a hook that is called while runs go on. `call` takes the
    hook's arguments by name, and gives a list of what it returned, without None."""

    hook: str
    call: Callable[..., list[Any]]


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """An installed plugin, by its entry point's name, the package that it is in, the
    kinds that it offers, and what of it is called while runs go on."""

    name: str
    distribution: str
    version: str
    package: str = ""
    kinds: tuple[str, ...] = ()
    called: tuple[Listener, ...] = ()
    failure: Failure | None = None

    @property
    def title(self) -> str:
        return f"{self.distribution} {self.version}"

    @property
    def identity(self) -> str:
        """The same for every version of it."""
        return f"{self.distribution}:{self.name}"


Configured = ExecutorType | NotifierType | SecretProviderType | ArtifactStoreType
Offer = Configured | FunctionType

T = TypeVar("T", bound=Offer)
C = TypeVar("C", bound=Configured)


@dataclass(frozen=True, slots=True)
class Offered:
    """What a plugin offers: a `sort` (executor, notifier, …) of a kind. `problem` says why
    it cannot be used."""

    sort: str
    offer: Offer
    info: PluginInfo
    problem: str = ""


class Offers(Generic[T]):
    """All plugins' offers of one sort, by kind."""

    def __init__(self, sort: str, infos: Sequence[PluginInfo]) -> None:
        self._sort = sort
        self._infos = infos
        self._offers: dict[str, list[tuple[PluginInfo, T]]] = {}

    def add(self, info: PluginInfo, offer: T) -> None:
        self._offers.setdefault(offer.kind, []).append((info, offer))

    def all(self) -> list[Offered]:
        """By kind, also what cannot be used."""
        return [
            Offered(self._sort, offer, info, self.problem(kind) or "")
            for kind in sorted(self._offers)
            for info, offer in self._offers[kind]
        ]

    def kinds(self) -> tuple[str, ...]:
        """Those that can be used, in alphabetical order."""
        return tuple(sorted(kind for kind, offers in self._offers.items() if len(offers) == 1))

    def get(self, kind: str) -> T | None:
        """None for a kind that cannot be used."""
        offers = self._offers.get(kind, [])
        return offers[0][1] if len(offers) == 1 else None

    def origin(self, kind: str) -> str:
        """The distribution that offers it, with its version."""
        offers = self._offers.get(kind, [])
        return offers[0][0].title if len(offers) == 1 else ""

    def problem(self, kind: str) -> str | None:
        """Why it cannot be used, where more is known than that nobody offers it."""
        offers = self._offers.get(kind, [])
        if len(offers) > 1:
            claims = " and ".join(info.title for info, _ in offers)
            return f"{self._sort} {kind} is claimed by {claims}: uninstall one of them"
        if offers:
            return None
        failures = [info.failure for info in self._infos if info.failure and info.name == kind]
        return str(failures[0]) if failures else None

    def require(self, kind: str) -> T:
        """Raises: PluginError: the kind cannot be used; the hint says what is installed."""
        found = self.get(kind)
        if found is not None:
            return found
        problem = self.problem(kind) or f"there is no {self._sort} {kind}"
        raise PluginError(problem, hint=self._hint())

    def _hint(self) -> str:
        kinds: tuple[str, ...] = self.kinds()
        installed = f"installed {self._sort}s: {', '.join(kinds)}"
        hint = installed if kinds else f"no {self._sort} is installed"
        failed: list[str] = [str(info.failure) for info in self._infos if info.failure]
        return "; ".join([hint, *failed])


class ConfiguredOffers(Offers[C]):
    """Those that have settings."""

    def model(self, kind: str) -> type[BaseModel] | None:
        """The model of a kind's settings; None for a kind that cannot be used."""
        found = self.get(kind)
        return found.settings if found else None

    def settings(self, kind: str, values: Mapping[str, Any]) -> Any:
        """An instance of the kind's model, of plain values.

        Raises:
            PluginError: the kind cannot be used, or a value is not what it takes.
        """
        model = self.require(kind).settings
        try:
            return model.model_validate(dict(values))
        except ValidationError as error:
            mistakes = "; ".join(_words(details) for details in error.errors())
            known = ", ".join(model.model_fields) or "none"
            raise PluginError(
                f"{self._sort} {kind}: {mistakes}", hint=f"its settings are: {known}"
            ) from None  # the error's own text would repeat the values, which may be secret


def _words(details: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in details["loc"])
    if details["type"] == "missing":
        return f"{name} is missing"
    if details["type"] == "extra_forbidden":
        return f"there is no setting {name}"
    text = str(details["msg"]).removeprefix("Value error, ")
    return f"{name}: {text[:1].lower()}{text[1:]}" if name else text
