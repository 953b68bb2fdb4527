"""A scheduler's turns on a real store, with the workers' side played by the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tidelang import codec
from tidelang.definition import Argv, Definition, Loop, Step
from tidemill.engine.census import renew
from tidemill.engine.create import NewRun, create_run
from tidemill.engine.turns import Turns
from tidemill.model.messages import Heartbeat, Nudge, Order, Report, Result, Started
from tidemill.model.plan import make_plan
from tidemill.model.pools import Pool
from tidemill.model.rows import DurationRow, RunRow
from tidemill.ports import Transaction
from tidemill.store.database import open_sqlite
from tidemill.store.sql import SqlStore
from tidemill.testing.clock import VirtualClock

LEASE = 1e6


def step(name: str, *needs: str, **fields: Any) -> Step:
    return Step(name, Argv((("lit", name),)), needs=needs, **fields)


def over(count: int) -> Loop:
    return Loop(("x",), ("list", tuple(("lit", each) for each in range(count))))


class Bench:
    def __init__(self, folder: Path, slots: int = 1, **pools: Pool) -> None:
        self.clock = VirtualClock(1_000_000.0)
        self.store = SqlStore(open_sqlite(folder / "db.sqlite"))
        self.turns = Turns(self.clock, run=None, lease=LEASE, policy=None, pools=pools)
        self.slots = slots
        self.at_work: list[Order] = []
        self.offers: list[Order] = []
        self.begun: list[str] = []
        self._beat()

    def make(self, *steps: Step, name: str = "p", **options: Any) -> int:
        definition = Definition(name, steps=steps, **options)
        plan = make_plan(definition, {})
        new = NewRun(
            plan, codec.digest(definition), codec.encode(definition), "p.tide",
            frozenset(range(plan.size)), {}, pooled=True,
        )  # fmt: skip

        def work(tx: Transaction) -> int:
            standing = self.turns.standing
            run = create_run(tx, new, self.clock.now(), standing)
            tx.signal(run.number)
            return run.number

        number = self.store.transact_now(work)
        self.turn(Nudge(number))
        return number

    def know(self, definition: Definition) -> None:
        """One that steps of others run."""
        content = codec.encode(definition)
        self.store.transact_now(
            lambda tx: tx.add_definition(codec.digest(definition), definition.name, content, 1.0)
        )

    def expect(self, pipeline: str = "p", **seconds: float) -> None:
        rows = [DurationRow(pipeline, name, 1, each, 0.0) for name, each in seconds.items()]
        self.store.transact_now(lambda tx: tx.learn(rows))

    def turn(self, *reports: Report) -> None:
        todo = self.store.transact_now(lambda tx: self.turns.take(tx, reports))
        self.turns.kept()
        self.turns.next_due = todo.next_due
        self.offers += todo.orders
        if todo.next_due is not None and todo.next_due <= self.clock.now():
            self.turn()

    def work(self) -> list[str]:
        """A worker takes what it has slots for; the steps that it begins with."""
        begun = []
        while self.offers and len(self.at_work) < self.slots:
            first = min(self.offers, key=lambda order: order.priority)  # subjects by priority
            self.offers.remove(first)
            self.at_work.append(first)
            self.turn(Started(first.ref, first.fence, "w", self.clock.now()))
            begun.append(first.key)
        self.begun += begun
        return begun

    def end(self, key: str | None = None, seconds: float = 0.0) -> None:
        self._end([next(o for o in self.at_work if key in {None, o.key})], seconds)

    def end_all(self) -> None:
        """All that is at work ends at once."""
        self._end(list(self.at_work), 0.0)

    def _end(self, orders: list[Order], seconds: float) -> None:
        now = self.clock.now()
        self.at_work = [order for order in self.at_work if order not in orders]
        self.turn(*(Result(o.ref, o.fence, "w", now - seconds, now, "exited", 0) for o in orders))

    def wait(self, seconds: float) -> None:
        self.clock._now += seconds  # noqa: SLF001  # nothing sleeps here

    def run(self, number: int) -> RunRow:
        return self.store.transact_now(lambda tx: tx.runs([number]))[0]

    def _beat(self) -> None:
        beat = Heartbeat("w", "default", self.slots, ())
        self.store.transact_now(lambda tx: renew(tx, [beat], self.clock.now(), LEASE))
        self.turn(beat)
