"""The first signal cancels cleanly, the second at once."""

from __future__ import annotations

import asyncio
import os
import signal

from tidemill.cli.signals import FIRST, SECOND, Stop


async def test_signals_cancel_twice_and_say_so() -> None:
    cancels: list[int] = []
    said: asyncio.Queue[str] = asyncio.Queue()
    stop = Stop(lambda: cancels.append(1), said.put_nowait)
    with stop.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        assert await said.get() == FIRST
        os.kill(os.getpid(), signal.SIGINT)
        assert await said.get() == SECOND
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0)
    assert len(cancels) == 2
    assert stop.first == signal.SIGTERM


async def test_a_signal_that_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Stop(lambda: None, lambda _text: None).listening():
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
