"""What the engine needs of plugins, and of the process that they are loaded in."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from tidelang.values import Value
from tidemill.errors import TidemillError
from tidemill.spi import DispatchTask, Event, Executor, Notifier


class Observer(Protocol):
    """A plugin that is told of every event."""

    @property
    def name(self) -> str:
        """The same for every version of it."""

    @property
    def title(self) -> str:
        """For people."""

    @property
    def idle(self) -> bool:
        """Whether it has returned from what it was told of last."""

    async def tell(self, event: Event) -> str:
        """Tells it, in a bounded time; what went wrong, empty where nothing did."""


class Policy(Protocol):
    def veto(self, task: DispatchTask) -> str:
        """Why the step must not be offered, in whose name; empty where it may. Called
        inside of a turn. Never raises."""


class Executors(Protocol):
    """The executors of one worker, made when they are first needed."""

    def get(self, kind: str) -> Executor:
        """Raises:
        TidemillError: no plugin offers this kind, or the one that does has failed.
        """

    def settings(self, kind: str, values: Mapping[str, Any]) -> Any:
        """The kind's settings from plain values.

        Raises:
            TidemillError: they do not fit.
        """

    def extend(self, seconds: float, since: float) -> None:
        """Tells every executor, those that are made later too, how long what is held may
        be at work: see `Executor.extend`. Never raises."""

    async def close(self) -> None: ...


class Notifiers(Protocol):
    """The notifiers of one process, made when they are first needed."""

    def get(self, kind: str) -> Notifier:
        """Raises:
        TidemillError: no plugin offers this kind, or the one that does has failed.
        """

    def settings(self, kind: str, values: Mapping[str, Any]) -> Any:
        """The kind's settings from plain values.

        Raises:
            TidemillError: they do not fit.
        """

    def templates(self, kind: str) -> Mapping[str, str]:
        """The settings that are templates, with their defaults (empty where there is none).

        Raises:
            TidemillError: as `get`.
        """

    def timeout(self, kind: str) -> float:
        """Seconds that one delivery may take."""

    async def close(self) -> None: ...


class Templates(Protocol):
    """Fills in templates, within bounds."""

    async def render(
        self, templates: Mapping[str, str], names: Mapping[str, Value]
    ) -> Mapping[str, str]:
        """The texts, by the names of their templates.

        Raises:
            TemplateError: one cannot be filled in.
        """


class TemplateError(TidemillError):
    """A template cannot be filled in, whenever it is tried: its author must mend it."""


class Secrets(Protocol):
    """Where a process gets the values of secrets."""

    async def get(self, names: Collection[str]) -> Mapping[str, str]:
        """The value of each.

        Raises:
            TidemillError: some are not there; all of them are named.
        """
