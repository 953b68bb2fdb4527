"""Notices, and settings of the notifiers that are shipped, as plain values."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

import tidemill_notify
from tidemill.spi import Notifier, NotifierType, NotifyError
from tidemill.testing.notifier.bench import Bench, notice
from tidemill.testing.notifier.receiver import Mood, Receiver

__all__ = ["failure", "kind", "make", "notice", "settings"]


def kind(name: str) -> NotifierType:
    return {each.kind: each for each in tidemill_notify.tidemill_notifiers()}[name]


def make(name: str) -> Notifier:
    return kind(name).factory()


def settings(name: str, **values: Any) -> BaseModel:
    return kind(name).settings.model_validate(values)


async def failure(
    notifier: Notifier, values: BaseModel, secrets: tuple[str, ...], log: str = ""
) -> NotifyError:
    """Of a send that must fail, and gives none of these away."""
    with pytest.raises(NotifyError) as caught:
        await notifier.send(notice(), values)
    told = _Told()
    told.secrets = secrets
    Bench(notifier, told).assert_discreet(caught.value, log)
    return caught.value


class _Told(Receiver):
    def settings(self, text: str) -> BaseModel:
        raise NotImplementedError(text)

    async def become(self, mood: Mood) -> None:
        raise NotImplementedError(mood)

    def connections(self) -> int:
        return 0
