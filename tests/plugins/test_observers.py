"""An observer is called on a thread of its own: whatever it does stops nobody else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tidemill.app.observers import InstalledObserver
from tidemill.plugins import Listener, PluginInfo
from tidemill.spi import Event

INFO = PluginInfo("audit", "tide-audit", "1.2")
EVENT = Event("1.1", 5.0, "run", 1, "p", "running")


def observer(call: Callable[..., Any], longest: float = 10.0) -> InstalledObserver:
    def calls(*, event: Event) -> list[Any]:
        call(event)
        return []

    return InstalledObserver(INFO, Listener("tidemill_event", calls), longest)


async def test_it_is_told_on_another_thread_and_always_the_same() -> None:
    seen: list[tuple[Event, threading.Thread]] = []
    told = observer(lambda event: seen.append((event, threading.current_thread())))
    assert [await told.tell(EVENT), await told.tell(EVENT)] == ["", ""]
    (event, one), (_, other) = seen
    assert event == EVENT
    assert one is other is not threading.current_thread()
    assert one.daemon, "it must not keep the process from ending"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("x"), "KeyError: 'x'"),
        (ValueError("two\n lines"), "ValueError: two lines"),
        (RuntimeError(), "RuntimeError"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
async def test_whatever_it_raises_is_one_line_and_it_is_called_again(
    error: BaseException, said: str
) -> None:
    errors = [error]

    def call(event: Event) -> None:
        del event
        if errors:
            raise errors.pop()

    told = observer(call)
    assert [await told.tell(EVENT), await told.tell(EVENT)] == [said, ""]


async def test_one_that_takes_too_long_is_left_alone_until_it_returns() -> None:
    go, begun = threading.Event(), threading.Event()

    def call(event: Event) -> None:
        del event
        begun.set()
        assert go.wait(30)

    told = observer(call, longest=0.01)
    assert told.idle
    assert await told.tell(EVENT) == "it took more than 0.01 s"
    assert begun.wait(30)
    assert not told.idle
    go.set()
    assert told._last is not None  # noqa: SLF001
    await asyncio.wait_for(told._last, 30)  # noqa: SLF001
    assert told.idle
    assert await told.tell(EVENT) == ""
