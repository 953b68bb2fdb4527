"""The database as nodes reach it: the real store on SQLite in memory, which may be away,
break in the moment of committing, or ask for a transaction to be done again."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar, cast

from tidemill.model.rows import EventRow, ExpansionRow, RunRow, StageRow, TaskRow
from tidemill.ports import Transaction, UnavailableError
from tidemill.store.database import InMemory
from tidemill.store.sql import SqlStore
from tidemill.testing.simulation.network import Network
from tidemill.testing.simulation.nodes import Node
from tidemill.testing.simulation.promises import Promises

T = TypeVar("T")

REFUSED_SECONDS, TIMEOUT_SECONDS = 0.01, 5.0
"""How long it takes to find out that it cannot be reached."""


class _ConflictError(Exception):
    """Another transaction was first: nothing of this one is done."""


@cache
def _in_memory() -> tuple[InMemory, SqlStore]:
    """One for all simulations of a process: making its tables takes longer than emptying
    them."""
    memory = InMemory()
    return memory, SqlStore(memory.engine)


class Database:
    """`away` counts the reasons why nobody reaches it; while it is `breaking`, connections
    break, before or after a commit."""

    def __init__(self, network: Network, dice: random.Random, promises: Promises) -> None:
        memory, self._store = _in_memory()
        memory.empty()
        self._network, self._dice, self._promises = network, dice, promises
        self.away = self.breaking = 0
        self.ambush: Callable[[Node], None] | None = None
        """Called once, when a node has committed something."""

    def now(self, work: Callable[[Transaction], T]) -> T:
        """A transaction of somebody for whom the database is always there."""
        written = _Written(self._promises.timetable.take_back)
        done = self._store.transact_now(lambda tx: work(written.over(tx)))
        self._promises.recorded(written.events)
        self._promises.committed(written.made_runs, written.made_tasks)
        return done

    def seen_by(self, node: Node) -> NodeStore:
        return NodeStore(self, node)

    async def transact(self, node: Node, work: Callable[[Transaction], T]) -> T:
        if self.away or node.stranded:
            slow = self._dice.random() < 0.5
            await self._network.pass_time(node, TIMEOUT_SECONDS if slow else REFUSED_SECONDS)
            raise UnavailableError("the database cannot be reached")
        if self._network.happens(0.5):
            await self._network.pass_time(node, self._network.delay())
        breaks = bool(self.breaking) and self._dice.random() < 0.5
        if breaks and self._dice.random() < 0.5:
            raise UnavailableError("the connection broke")
        if self._network.happens(0.25):
            self._in_vain(work)
        done = self.now(work)
        if self.ambush is not None:
            ambush, self.ambush = self.ambush, None
            ambush(node)
        if breaks:
            raise UnavailableError("the connection broke in the moment of committing")
        if self._network.happens(0.5):
            await self._network.pass_time(node, self._network.delay())
        return done

    def _in_vain(self, work: Callable[[Transaction], Any]) -> None:
        """A serialization failure: all was worked out, and nothing is kept."""

        def all_but_commit(tx: Transaction) -> None:
            work(tx)
            raise _ConflictError

        with contextlib.suppress(_ConflictError):
            self._store.transact_now(all_but_commit)


class NodeStore:
    """See `tidemill.ports.Store`."""

    def __init__(self, database: Database, node: Node) -> None:
        self._database, self._node = database, node

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        return await self._database.transact(self._node, work)

    async def sync(self) -> None: ...

    async def close(self) -> None: ...


class _Written:
    """What a transaction writes, shown to whoever watches over promises once it has been
    committed."""

    def __init__(self, take_back: Callable[[Sequence[RunRow]], None]) -> None:
        self._take_back = take_back
        self.made_runs: list[RunRow] = []
        self.made_tasks: list[TaskRow] = []
        self.events: list[EventRow] = []
        self._tx: Any = None

    def over(self, tx: Transaction) -> Transaction:
        self.made_runs.clear()
        self.made_tasks.clear()
        self.events.clear()
        self._tx = tx
        return cast("Transaction", self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    def new_runs(self, runs: Sequence[RunRow]) -> list[int]:
        numbers: list[int] = self._tx.new_runs(runs)
        made = zip(runs, numbers, strict=True)
        self.made_runs.extend(run._replace(number=number) for run, number in made)
        return numbers

    def take_ahead(self, schedule: int, now: float) -> list[RunRow]:
        runs: list[RunRow] = self._tx.take_ahead(schedule, now)
        self._take_back(runs)
        return runs

    def record(self, events: Sequence[EventRow]) -> None:
        self._tx.record(events)
        self.events.extend(events)

    def insert(self, stages: Sequence[StageRow], tasks: Sequence[TaskRow]) -> None:
        self._tx.insert(stages, tasks)
        self.made_tasks.extend(tasks)

    def expand(self, rows: Sequence[ExpansionRow], tasks: Sequence[TaskRow]) -> None:
        self._tx.expand(rows, tasks)
        self.made_tasks.extend(tasks)

    def save_runs(self, changes: Sequence[tuple[RunRow, RunRow]]) -> None:
        self._tx.save_runs(changes)
        self.made_runs.extend(after for _, after in changes)

    def save_tasks(self, changes: Sequence[tuple[TaskRow, TaskRow]]) -> None:
        self._tx.save_tasks(changes)
        self.made_tasks.extend(after for _, after in changes)
