"""Bad luck: what happens to nodes, the network, the server and the database, when, and for
how long. Each seed has some kinds of it, so that each kind gets its chance to be alone."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence

from tidemill.model.rows import CordonRow
from tidemill.ports import Transaction
from tidemill.testing.simulation.fleet import Fleet
from tidemill.testing.simulation.nodes import Node
from tidemill.testing.simulation.time import skew

LASTS = (1.0, 5.0, 15.0, 23.0, 35.0, 45.0, 60.0)
"""Seconds, around the lease of 30 and the 20 after which workers give up."""

MOMENTS = ("", "", "claim", "begin", "commit")
"""When bad luck strikes: at any time, or when a worker has claimed something, a step has
begun, a scheduler has committed."""

AND = 0.25
"""How often one thing brings another with it."""

Fault = Callable[[], None]


class BadLuck:
    """Strikes a fleet until it is told that all is well again."""

    def __init__(self, fleet: Fleet, dice: random.Random, only: Sequence[str] = ()) -> None:
        self._fleet, self._dice = fleet, dice
        self._loop = fleet.loop
        self.counts: Counter[str] = Counter()
        self._kinds = self._all_kinds()
        some = dice.sample(list(self._kinds), dice.choice((1, 2, 3, 5, 8)))
        self._chosen = list(only) or some
        self._between = dice.choice((4.0, 8.0, 16.0))
        self._trouble = dice.choice((0.0, 0.05, 0.2))
        self._aim: Node | None = None

    def _all_kinds(self) -> dict[str, Fault]:
        server = self._fleet.wire.server
        return {
            "crash of a worker": self._crash_worker,
            "crash of a scheduler": self._crash_scheduler,
            "drain of a worker": self._drain,
            "cordon of a worker": self._cordon,
            "pause": self._pause,
            "cut": self._cut,
            "cut, one way": self._cut_one_way,
            "cut from broker and database": self._cut_off,
            "cut from the database": self._strand,
            "clock put forward or back": self._step_clock,
            "server stands still": self._freeze,
            "loss of the broker": server.forget,
            "loss of claims": server.forget_claims,
            "loss of work": server.forget_work,
            "loss of results": server.results.forget,
            "database away": self._database_away,
            "database breaks": self._database_breaks,
        }

    async def strike(self, until: float) -> None:
        self._fleet.wire.network.trouble = self._trouble
        while True:
            wait = self._dice.expovariate(1 / self._between)
            if self._loop.time() + wait > until:
                break
            await asyncio.sleep(wait)
            self._aim_and_strike(self._dice.choice(self._chosen))
        await asyncio.sleep(until - self._loop.time())
        self._heal()

    def _aim_and_strike(self, name: str) -> None:
        """Now, on anybody; or on whoever comes next to one of the moments that matter."""
        fleet, when = self._fleet, self._dice.choice(MOMENTS)
        if when == "claim":
            fleet.wire.server.ambush = lambda worker: self._strike(name, fleet.named(worker))
        elif when == "begin":
            fleet.promises.ambush = lambda worker: self._strike(name, fleet.named(worker))
        elif when == "commit":
            fleet.database.ambush = lambda node: self._strike(name, node)
        else:
            self._strike(name, None)

    def _strike(self, name: str, aim: Node | None) -> None:
        self.counts[name] += 1
        self._tell(f"fault {name}")
        self._aim = aim
        self._kinds[name]()
        if self._dice.random() < AND:
            self._strike(self._dice.choice(self._chosen), self._aim)

    def _heal(self) -> None:
        self._tell("all is well")
        fleet = self._fleet
        fleet.wire.network.trouble = fleet.wire.network.frozen_until = 0.0
        fleet.database.away = fleet.database.breaking = 0
        fleet.database.ambush = fleet.wire.server.ambush = fleet.promises.ambush = None
        for node in fleet.nodes:
            node.stranded = 0
            node.mend(deaf=node.deaf, mute=node.mute)
            node.pauses = min(node.pauses, 1)
            self._resume(node)
        fleet.bring_back()

    def _tell(self, what: str) -> None:
        if self._fleet.promises.told is not None:
            self._fleet.promises.told(what)

    def _later(self, call: Callable[[], None]) -> None:
        self._loop.call_later(self._dice.choice(LASTS), call)

    def _any(self, nodes: list[Node]) -> Node | None:
        node = self._aim if self._aim in nodes else None
        if node is None and nodes:
            node = self._dice.choice(nodes)
        if node is not None:
            self._tell(f"  … of {node.name}")
            self._aim = node
        return node

    # nodes

    def _crash_worker(self) -> None:
        self._crash(self._any(self._fleet.workers))

    def _crash_scheduler(self) -> None:
        self._crash(self._any(self._fleet.schedulers))

    def _crash(self, node: Node | None) -> None:
        if node is not None:
            self._fleet.crash(node, back_in=self._dice.choice((0.1, 5.0, 40.0)))

    def _drain(self) -> None:
        node = self._any(self._fleet.workers)
        if node is not None:
            self._fleet.drain(node)

    def _cordon(self) -> None:
        """For a while it takes nothing new; or for good, if it does not live so long."""
        node = self._any(self._fleet.workers)
        if node is not None:
            row = CordonRow(node.name, self._loop.time(), "me")
            self._change_cordons(lambda tx: tx.cordon(row))
            self._later(lambda: self._change_cordons(lambda tx: tx.uncordon([node.name])))

    def _change_cordons(self, change: Callable[[Transaction], object]) -> None:
        def work(tx: Transaction) -> None:
            change(tx)
            tx.signal(0)

        self._fleet.database.now(work)
        self._fleet.wire.nudge(0)

    def _pause(self) -> None:
        node = self._any(self._fleet.nodes)
        if node is not None:
            node.pause()
            self._fleet.promises.paused.add(node.name)
            self._later(lambda: self._resume(node))

    def _resume(self, node: Node) -> None:
        """It does what has become due in the meantime; then it counts again."""
        node.resume()
        self._loop.call_later(AWAKE_SECONDS, self._awake, node)

    def _awake(self, node: Node) -> None:
        if not node.pauses:
            self._fleet.promises.paused.discard(node.name)
            self._fleet.promises.check()

    def _step_clock(self) -> None:
        node = self._any(self._fleet.schedulers)
        if node is not None:
            node.clock.skew = skew(self._dice)

    # networks

    def _cut(self, *, deaf: int = 1, mute: int = 1, stranded: int = 0) -> None:
        node = self._any(self._fleet.nodes)
        if node is not None:
            node.deaf += deaf
            node.mute += mute
            node.stranded += stranded
            self._later(lambda: self._mend(node, deaf, mute, stranded))

    @staticmethod
    def _mend(node: Node, deaf: int, mute: int, stranded: int) -> None:
        node.stranded = max(node.stranded - stranded, 0)
        node.mend(deaf=deaf, mute=mute)

    def _cut_one_way(self) -> None:
        deaf = self._dice.randint(0, 1)
        self._cut(deaf=deaf, mute=1 - deaf)

    def _cut_off(self) -> None:
        self._cut(stranded=1)

    def _strand(self) -> None:
        node = self._any(self._fleet.schedulers)
        if node is not None:
            node.stranded += 1
            self._later(lambda: self._mend(node, 0, 0, 1))

    def _freeze(self) -> None:
        network = self._fleet.wire.network
        until = self._loop.time() + self._dice.choice(LASTS)
        network.frozen_until = max(network.frozen_until, until)

    # the database

    def _database_away(self) -> None:
        self._fleet.database.away += 1
        self._later(self._database_back)

    def _database_back(self) -> None:
        database = self._fleet.database
        database.away = max(database.away - 1, 0)

    def _database_breaks(self) -> None:
        self._fleet.database.breaking += 1
        self._later(self._database_mended)

    def _database_mended(self) -> None:
        database = self._fleet.database
        database.breaking = max(database.breaking - 1, 0)


AWAKE_SECONDS = 0.01
"""How long a node that stood still may take to find out for how long."""
