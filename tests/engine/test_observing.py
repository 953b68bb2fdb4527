"""Plugins are told of every event, in order, and none can be in the way of another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from engine_world import World, step

from tidemill.engine.observing import HELD, LOOK, TRIES, Observing, pause
from tidemill.model.rows import EventRow, ObserverRow
from tidemill.ports import UnavailableError
from tidemill.spi import Event
from tidemill.store.database import open_sqlite
from tidemill.store.sql import SqlStore
from tidemill.testing.clock import VirtualClock
from tidemill.testing.store_rows import fill, task


class Listener:
    """An observer that writes down what it is told, and fails as it is asked to."""

    def __init__(self, name: str = "o", fails: Callable[[Event], str] = lambda _: "") -> None:
        self.name, self.title, self.idle = name, f"plugin {name}", True
        self.told: list[str] = []
        self.events: list[Event] = []
        self._fails = fails
        self.returns = asyncio.Event()
        self.returns.set()

    async def tell(self, event: Event) -> str:
        self.told.append(event.state)
        self.events.append(event)
        await self.returns.wait()
        return self._fails(event)


class Log:
    """An event log, and processes that tell observers of it."""

    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock()
        self._path = folder / "tidemill.db"
        self.store = self.open()
        fill(self.store, [task(0)])

    def open(self) -> SqlStore:
        return SqlStore(open_sqlite(self._path))

    def record(self, *states: str) -> None:
        rows = [EventRow(5.0, "task", 1, 0, {"state": state}) for state in states]
        self.store.transact_now(lambda tx: tx.record(rows))

    def observer(self, name: str = "o") -> ObserverRow:
        row = self.store.transact_now(lambda tx: tx.observer(name))
        assert row is not None
        return row

    def process(self, *listeners: Listener, me: str = "p") -> Observing:
        observing = Observing(self.open(), self.clock, listeners, me)
        observing.start()
        return observing

    async def closed(self, observing: Observing) -> None:
        closing = asyncio.create_task(observing.close())
        await self.clock.advance(0)
        await asyncio.wait_for(closing, 5)
        await observing.store.close()

    async def killed(self, observing: Observing) -> None:
        for going in observing._going:  # noqa: SLF001
            going.cancel()
        await asyncio.gather(*observing._going, return_exceptions=True)  # noqa: SLF001
        await observing.store.close()


@asynccontextmanager
async def seen_first(log: Log, *listeners: Listener) -> AsyncIterator[Observing]:
    """A process in which the observers have come to the end of the log."""
    observing = log.process(*listeners)
    await log.clock.advance(2 * LOOK)
    yield observing
    await log.closed(observing)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


async def test_an_observer_is_told_of_all_that_happens_after_it_was_first_seen(log: Log) -> None:
    log.record("before")
    listener = Listener()
    async with seen_first(log, listener):
        log.record(*map(str, range(500)))
        await log.clock.advance(2 * LOOK)
        assert listener.told == [str(at) for at in range(500)]


async def test_after_a_restart_it_goes_on_where_it_was(log: Log) -> None:
    listener = Listener()
    async with seen_first(log, listener):
        log.record("a", "b")
        await log.clock.advance(2 * LOOK)
    log.record("c")
    async with seen_first(log, listener):
        assert listener.told == ["a", "b", "c"]


async def test_a_process_that_is_stopped_waits_for_its_plugins_and_repeats_nothing(
    log: Log,
) -> None:
    listener = Listener()
    observing = log.process(listener)
    await log.clock.advance(2 * LOOK)
    listener.returns.clear()
    log.record("a", "b")
    await log.clock.advance(2 * LOOK)
    closing = asyncio.create_task(observing.close())
    await log.clock.advance(1)
    assert not closing.done()
    listener.returns.set()
    await asyncio.wait_for(closing, 5)
    async with seen_first(log, listener):
        assert listener.told == ["a", "b"]


async def test_who_died_between_telling_and_storing_has_it_told_again_by_another(
    log: Log,
) -> None:
    dead, other = Listener(), Listener()
    observing = log.process(dead, me="dead")
    await log.clock.advance(2 * LOOK)
    dead.returns.clear()
    log.record("a")
    await log.clock.advance(2 * LOOK)
    await log.killed(observing)
    assert dead.told == ["a"]
    async with seen_first(log, other):
        assert other.told == [], "it may be at work still"
        await log.clock.advance(HELD)
        assert other.told == ["a"]
        assert other.events == dead.events


async def test_of_several_processes_one_tells(log: Log) -> None:
    listeners = [Listener() for _ in range(3)]
    going = [log.process(each, me=f"p{at}") for at, each in enumerate(listeners)]
    await log.clock.advance(2 * LOOK)
    for at in range(30):
        log.record(str(at))
        await log.clock.advance(LOOK)
    told = [state for each in listeners for state in each.told]
    assert told == [str(at) for at in range(30)]
    for each in going:
        await log.closed(each)


async def test_another_process_goes_on_at_once_where_one_was_stopped(log: Log) -> None:
    one, other = Listener(), Listener()
    first = log.process(one, me="one")
    await log.clock.advance(2 * LOOK)
    log.record("a")
    await log.clock.advance(2 * LOOK)
    await log.closed(first)
    log.record("b")
    async with seen_first(log, other):
        assert (one.told, other.told) == (["a"], ["b"])


async def test_an_event_that_fails_is_told_again_later_and_then_passed_over(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    bad = Listener("bad", lambda event: "KeyError: 'x'" if event.state == "poison" else "")
    good = Listener("good")
    with caplog.at_level(logging.WARNING):
        async with seen_first(log, bad, good):
            log.record("a", "poison", "b")
            await log.clock.advance(2 * LOOK)
            assert bad.told == ["a", "poison"]
            assert good.told == ["a", "poison", "b"], "others are not affected"
            await log.clock.advance(sum(map(pause, range(1, TRIES))) + TRIES * LOOK)
            assert bad.told == ["a", *["poison"] * TRIES, "b"]
    assert log.observer("bad").passed_over == 1
    *again, over = [r.message for r in caplog.records if "bad" in r.message]
    assert len(again) == TRIES - 1
    assert "is told again in 1 s: KeyError: 'x'" in again[0]
    assert "passed over, as 1 so far: KeyError: 'x'" in over


async def test_tries_are_counted_across_restarts(log: Log) -> None:
    listener = Listener(fails=lambda _: "no")
    log_of: list[str] = []
    async with seen_first(log, listener):
        pass
    log.record("a")
    for tries in range(1, TRIES + 1):
        async with seen_first(log, listener):
            log_of.append(listener.told[-1])
        await log.clock.advance(pause(tries))
    assert listener.told == ["a"] * TRIES
    assert log.observer().passed_over == 1


async def test_each_event_has_all_its_tries(log: Log) -> None:
    failures = {"a": 2, "b": TRIES}

    def fails(event: Event) -> str:
        failures[event.state] -= 1
        return "no" if failures[event.state] >= 0 else ""

    listener = Listener(fails=fails)
    async with seen_first(log, listener):
        log.record("a", "b")
        await log.clock.advance(2 * sum(map(pause, range(1, TRIES))))
        assert listener.told == [*["a"] * 3, *["b"] * TRIES]


async def test_one_that_has_not_returned_is_not_called_again(log: Log) -> None:
    listener = Listener(fails=lambda event: "slow" if event.state == "a" else "")
    async with seen_first(log, listener):
        listener.idle = False
        log.record("a", "b")
        await log.clock.advance(100)
        assert listener.told == []
        listener.idle = True
        await log.clock.advance(2 * LOOK)
        assert listener.told == ["a"]


async def test_a_database_that_is_away_for_a_moment_has_nothing_told_twice(log: Log) -> None:
    listener = Listener()
    async with seen_first(log, listener) as observing:
        listener.returns.clear()
        log.record("a")
        await log.clock.advance(2 * LOOK)
        there, away = observing.store.transact, True

        async def transact(work: Callable[..., object]) -> object:
            if away:
                raise UnavailableError("it is away")
            return await there(work)

        observing.store.transact = transact  # type: ignore[method-assign, assignment]
        listener.returns.set()
        await log.clock.advance(5)
        away = False
        log.record("b")
        await log.clock.advance(5)
        assert listener.told == ["a", "b"]


async def test_what_happens_in_a_run_is_told_with_what_there_is_to_say(tmp_path: Path) -> None:
    listener = Listener()
    async with World(tmp_path, [step("a"), step("b", "a")]) as world:
        store = SqlStore(open_sqlite(tmp_path / "tidemill.db"))
        store.transact_now(lambda tx: tx.add_observer("o", 0))
        observing = Observing(store, world.clock, [listener], "p")
        observing.start()
        await world.end("a", code=3)
        await world.clock.advance(2 * LOOK)
        closing = asyncio.create_task(observing.close())
        await world.clock.advance(0)
        await closing
        await store.close()
    of_a = [e for e in listener.events if e.step == "a"]
    assert [e.state for e in of_a] == ["ready", "queued", "running", "failed"]
    assert [e.attempt for e in of_a] == [0, 1, 1, 1]
    of_b = [e for e in listener.events if e.step == "b"]
    assert [(e.state, e.detail) for e in of_b] == [("upstream_failed", "a failed")]
    of_run = [e for e in listener.events if e.kind == "run"]
    assert [e.state for e in of_run] == ["pending", "running", "failed"]
    assert {(e.run, e.pipeline) for e in listener.events} == {(1, "p")}
    assert len({e.id for e in listener.events}) == len(listener.events)
    assert [e.at for e in listener.events] == sorted(e.at for e in listener.events)
