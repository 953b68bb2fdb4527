"""The bench that a test works at: a fresh notifier, its receiver, and ways to send."""

# ruff: noqa: S101 -- asserts are what tests are made of
from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from itertools import count

import pytest

from tidemill.spi import Notice, Notifier, NotifierType, NotifyError
from tidemill.testing.notifier.receiver import Receiver

LIMIT = 60.0
"""Seconds after which anything that a test waits for counts as hung."""

SOON = 10.0
"""Seconds within which a connection is closed that is not needed any more."""

_numbers = count(1)


class Subject:
    """What the author of a notifier supplies."""

    def notifier_type(self) -> NotifierType:
        """The notifier under test."""
        raise NotImplementedError("a conformance suite needs notifier_type()")

    def receiver(self) -> Receiver:
        """A fresh receiver, which is not entered yet."""
        raise NotImplementedError("a conformance suite needs receiver()")


def notice(event: str = "failed", detail: str = "exit status 1") -> Notice:
    """One of its own kind: no other has its id."""
    number = next(_numbers)
    run = {
        "id": f"01J{number:08}",
        "number": number,
        "pipeline": "release",
        "due": None,
        "started": "2026-05-04T03:02:01Z",
        "trigger": "manual",
        "state": "failed",
        "attempt": 1,
    }
    return Notice(f"notice-{number}", event, 1_777_863_721.5, run, "test", detail)


class Bench:
    """`send` sends, `fails` does so where it must fail and hands out the error."""

    def __init__(self, notifier: Notifier, receiver: Receiver) -> None:
        self.notifier = notifier
        self.receiver = receiver

    @property
    def texts(self) -> list[str]:
        return [delivery.text.strip() for delivery in self.receiver.deliveries]

    async def send(self, text: str, told: Notice | None = None) -> None:
        async with self.deadline():
            await self.notifier.send(told or notice(), self.receiver.settings(text))

    async def fails(self, text: str, told: Notice | None = None) -> NotifyError:
        with pytest.raises(NotifyError) as caught:
            await self.send(text, told)
        return caught.value

    async def until(self, holds: Callable[[], bool]) -> None:
        async with self.deadline():
            while not holds():  # noqa: ASYNC110  the receiver may be anything: it has no event
                await asyncio.sleep(0.01)

    async def until_left(self) -> None:
        """Until the notifier has no connection open."""
        async with asyncio.timeout(SOON):
            await self.until(lambda: self.receiver.connections() == 0)

    def deadline(self) -> AbstractAsyncContextManager[object]:
        return asyncio.timeout(LIMIT)

    def assert_discreet(self, error: NotifyError, log: str) -> None:
        """Also in what the error was raised from, which a log may show."""
        said = [*_all_said(error), log]
        for secret in self.receiver.secrets:
            assert not [text for text in said if secret in text]


def _all_said(error: BaseException) -> Iterator[str]:
    yield "".join(traceback.format_exception(error))
    current: BaseException | None = error
    while current is not None:
        yield f"{current} {current!r} {current.args!r}"
        current = current.__cause__ or current.__context__
