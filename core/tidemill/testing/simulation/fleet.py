"""The fleet: real schedulers and workers on nodes that come and go."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tidemill.engine.delivery import Delivery
from tidemill.engine.scheduler import Scheduler
from tidemill.model.rows import LateRow, RunRow, TaskRow
from tidemill.testing.simulation.database import Database
from tidemill.testing.simulation.ends import (
    SimulatedSchedulerEnd,
    SimulatedWorkerEnd,
    Wire,
)
from tidemill.testing.simulation.nodes import Node
from tidemill.testing.simulation.post import NoSecrets, Post, PostOffice
from tidemill.testing.simulation.promises import Promises
from tidemill.testing.simulation.steps import Nothing, Steps
from tidemill.testing.simulation.time import skew
from tidemill.worker.worker import Worker

LEASE = 30.0

KINDS: tuple[tuple[str, Mapping[str, str], Mapping[str, float]], ...] = (
    ("eu", {}, {"cpu": 2.0}),
    ("us", {"os": "a"}, {"cpu": 3.0, "gpu": 1.0}),
    ("eu", {"os": "b"}, {"cpu": 2.0, "gpu": 2.0}),
)
"""The region, labels and resources of workers. Who comes for one that is gone is like it, so that
there is somebody for each step."""

NOWHERE = Path("/nonexistent")
"""Where no step of a simulation looks."""

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Unwatched:
    """What is committed is seen at the store: here it would come late, and out of order."""

    def changed(self, runs: Sequence[RunRow], tasks: Sequence[TaskRow]) -> None: ...

    def late(self, found: Sequence[LateRow]) -> None: ...

    def told(self) -> None: ...


class Fleet:
    """`spawn` begins a task whose failure is a bug."""

    def __init__(
        self,
        dice: random.Random,
        wire: Wire,
        database: Database,
        promises: Promises,
        post: Post,
        spawn: Spawn,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.wire, self.database, self.promises = wire, database, promises
        self.post = post
        self.schedulers: list[Node] = []
        self.workers: list[Node] = []
        self._draining: dict[Node, Worker] = {}
        self._working: dict[Node, Worker] = {}
        self._kinds: dict[Node, int] = {}
        self._coming: dict[asyncio.TimerHandle, Callable[[], None]] = {}
        self._dice, self._spawn = dice, spawn
        self._names = 0

    def start(self, schedulers: int, workers: int) -> None:
        for _ in range(schedulers):
            self._new_scheduler()
        for number in range(workers):
            self._new_worker(number % len(KINDS))

    @property
    def nodes(self) -> list[Node]:
        return [*self.schedulers, *self.workers, *self._draining]

    def named(self, name: str) -> Node | None:
        return next((node for node in self.nodes if node.name == name), None)

    def _new_scheduler(self) -> None:
        node = self._node("scheduler", skew(self._dice))
        end = SimulatedSchedulerEnd(self.wire, node)
        store = self.database.seen_by(node)
        scheduler = Scheduler(store, end, node.clock, Unwatched(), lease=LEASE)
        node.tasks.append(self._spawn(scheduler.drive()))
        office = PostOffice(self.post, node)
        delivery = Delivery(store, node.clock, office, NoSecrets(), office)
        node.tasks.append(self._spawn(delivery.forever()))
        self.schedulers.append(node)

    def _new_worker(self, kind: int) -> None:
        node = self._node("worker", self._dice.uniform(-3600, 3600))
        end = SimulatedWorkerEnd(self.wire, node)
        steps, nothing = Steps(node, self._dice, self.promises), Nothing()
        slots = self.promises.slots[node.name] = self._dice.randint(1, 3)
        region, labels, resources = KINDS[kind]
        self.promises.resources[node.name] = resources
        worker = Worker(
            node.name,
            end,
            node.clock,
            steps,
            nothing,
            nothing,
            nothing,
            NOWHERE,
            slots=slots,
            lease=LEASE,
            region=region,
            labels=labels,
            resources=resources,
        )
        node.tasks.append(self._spawn(worker.run()))
        self.workers.append(node)
        self._working[node] = worker
        self._kinds[node] = kind

    def _node(self, kind: str, skew: float) -> Node:
        self._names += 1
        return Node(self.loop, f"{kind}-{self._names}", skew)

    def crash(self, node: Node, *, back_in: float) -> None:
        node.crash()
        if node in self.schedulers:
            self.schedulers.remove(node)
            self._come(back_in, self._new_scheduler)
        else:
            self.workers.remove(node)
            self._come(back_in, partial(self._new_worker, self._kinds[node]))

    def drain(self, node: Node) -> None:
        """It ends what it has in hand, and another one comes."""
        self.workers.remove(node)
        worker = self._draining[node] = self._working[node]
        worker.drain()
        node.tasks[-1].add_done_callback(lambda _: self._drained(node))
        self._come(1.0, partial(self._new_worker, self._kinds[node]))

    def _drained(self, node: Node) -> None:
        del self._draining[node]
        node.crash()

    def _come(self, seconds: float, make: Callable[[], None]) -> None:
        def come() -> None:
            del self._coming[handle]
            make()

        handle = self.loop.call_later(seconds, come)
        self._coming[handle] = make

    def bring_back(self) -> None:
        """All who are to come, come now."""
        coming, self._coming = self._coming, {}
        for handle, make in coming.items():
            handle.cancel()
            make()
