"""A notifier for tests that keeps what it is sent, or refuses it, as the test says; and what
else a delivery needs around it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, SecretStr

from tidelang import jinja
from tidelang.models import templates_of
from tidelang.values import Value
from tidemill.errors import TidemillError
from tidemill.ports import TemplateError
from tidemill.spi import Notice, Template

Answer = Callable[[Notice, "BoxSettings"], Exception | None]


class BoxSettings(BaseModel, extra="forbid", frozen=True):
    to: str = "all"
    url: SecretStr | None = None
    message: Annotated[str, Template()] = "{{ run.pipeline }} {{ event.kind }}: {{ event.detail }}"


class LetterBox:
    """`tidemill.spi.Notifier`, and `tidemill.ports.Notifiers` of that single kind."""

    def __init__(self) -> None:
        self.sent: list[tuple[Notice, BoxSettings]] = []
        self.answer: Answer = lambda *_: None
        self.hangs = asyncio.Event()
        self.hangs.set()

    async def send(self, notice: Notice, settings: Any) -> None:
        await self.hangs.wait()
        error = self.answer(notice, settings)
        if error is not None:
            raise error
        self.sent.append((notice, settings))

    def get(self, kind: str) -> LetterBox:
        if kind != "box":
            raise TidemillError(f"there is no notifier {kind}")
        return self

    def settings(self, kind: str, values: Mapping[str, Any]) -> BoxSettings:
        del kind
        return BoxSettings.model_validate(dict(values))

    def templates(self, kind: str) -> Mapping[str, str]:
        self.get(kind)
        return templates_of(BoxSettings)

    def timeout(self, kind: str) -> float:
        del kind
        return 30.0

    async def close(self) -> None: ...

    def events(self) -> list[str]:
        return [notice.event for notice, _ in self.sent]

    def messages(self) -> list[str]:
        return [settings.message for _, settings in self.sent]


class HereTemplates:
    """`tidemill.ports.Templates` without a process of its own: these tests trust theirs."""

    async def render(
        self, templates: Mapping[str, str], names: Mapping[str, Value]
    ) -> Mapping[str, str]:
        try:
            return {name: jinja.render(source, names) for name, source in templates.items()}
        except jinja.RenderError as error:
            raise TemplateError(str(error)) from None


class KnownSecrets:
    """`tidemill.ports.Secrets` of those that the test knows."""

    def __init__(self, **known: str) -> None:
        self.known = known

    async def get(self, names: Collection[str]) -> Mapping[str, str]:
        missing = sorted(set(names) - self.known.keys())
        if missing:
            raise TidemillError(f"secret {missing[0]} is not set")
        return {name: self.known[name] for name in names}
