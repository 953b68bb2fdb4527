"""Does harm to a fleet: several faults at a time, of all kinds, chosen by dice, each of which
heals after a while. Every fault is written to a log."""

from __future__ import annotations

import heapq
import itertools
import json
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from chaos_timed import FEW, PLACED_WORKER
from network import CUTS, Host

from fleet import Fleet, NatsServer

SLOTS = 4
SCHEDULERS = ("s0", "s1")
WORKERS = ("w0", "w1", "w2")
OF_FEW = ("p0", "p1")
"""The workers of the pool that has few slots."""
ALL_WORKERS = WORKERS + OF_FEW
DRAIN_SECONDS = 60.0
"""How long a process that is told to end may take, faults included."""


@dataclass(frozen=True)
class Fault:
    """What was done: at which time (of the system), of which kind, to whom, for how many
    seconds."""

    at: float
    kind: str
    target: str
    seconds: float


class Monkey:
    """Call `turn` often. `only` are the kinds of faults that are wanted; all, if there are none."""

    def __init__(
        self,
        fleet: Fleet,
        dice: random.Random,
        log: Path,
        *,
        only: Sequence[str] = (),
    ) -> None:
        self._fleet, self._dice, self._log = fleet, dice, log
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._away: set[str] = set()
        """Hosts whose process is dead or told to end, and comes again."""
        self._draining: dict[str, tuple[subprocess.Popen[bytes], float]] = {}
        """What was told to end, and until when it may take."""
        self._weak: Counter[str] = Counter()
        """Servers of NATS, and how much is wrong with each at present."""
        self.faults: list[Fault] = []
        self.problems: list[str] = []
        kinds = self._all_kinds()
        self._kinds = {name: kinds[name] for name in only or kinds}
        for name in (*SCHEDULERS, *ALL_WORKERS):
            self._begin(name)

    def _all_kinds(self) -> dict[str, tuple[float, Callable[[], Fault | None]]]:
        """With how often each comes, and what it does; None where it cannot be just now."""
        always: dict[str, tuple[float, Callable[[], Fault | None]]] = {
            "worker killed": (18, lambda: self._kill(ALL_WORKERS)),
            "scheduler killed": (12, lambda: self._kill(SCHEDULERS)),
            "worker drained": (4, lambda: self._drain(ALL_WORKERS)),
            "scheduler ended": (4, lambda: self._drain(SCHEDULERS)),
            "worker stopped": (9, lambda: self._stop(ALL_WORKERS)),
            "scheduler stopped": (10, lambda: self._stop(SCHEDULERS)),
            "PostgreSQL restarted": (5, self._restart_postgres),
            "NATS server killed": (5, self._kill_nats),
            "NATS server stopped": (2, self._stop_nats),
            "all of NATS lost": (0.7, self._lose_nats),
        }
        cuts: dict[str, tuple[float, Callable[[], Fault | None]]] = {
            "worker cut off": (14, lambda: self._cut(ALL_WORKERS)),
            "scheduler cut off": (10, lambda: self._cut(SCHEDULERS)),
            "NATS server cut off": (3, self._cut_nats),
            "PostgreSQL cut off": (4, lambda: self._cut(("postgres",))),
            "client cut off": (1, lambda: self._cut(("client",))),
        }
        return always | (cuts if self._fleet.network is not None else {})

    # what the test calls

    def strike(self) -> None:
        """One fault more."""
        names = list(self._kinds)
        weights = [self._kinds[name][0] for name in names]
        for _ in range(100):
            kind = self._dice.choices(names, weights)[0]
            fault = self._kinds[kind][1]()
            if fault is not None:
                self.faults.append(fault)
                with self._log.open("a") as log:
                    log.write(json.dumps(asdict(fault)) + "\n")
                return

    def turn(self) -> None:
        """Heals what is to be healed by now, and looks whether anybody died by himself."""
        while self._later and self._later[0][0] <= time.monotonic():
            heapq.heappop(self._later)[2]()
        self._look_at_draining()
        ended = [
            name
            for name, process in self._fleet.processes.items()
            if process.poll() is not None and name not in self._away
        ]
        ended += [s.name for s in self._fleet.servers if s.process.poll() is not None]
        ended += ["postgres"] if not self._fleet.postgres.alive else []
        self.problems += [
            f"{name} ended by itself" for name in ended if name not in self._away | set(self._weak)
        ]
        self._away.update(ended)

    def heal(self) -> None:
        """Everything, at once."""
        while self._later:
            heapq.heappop(self._later)[2]()

    # processes

    def _begin(self, name: str) -> None:
        self._away.discard(name)
        if name in SCHEDULERS:
            self._fleet.scheduler(name)
            return
        again = f"{name}.{next(self._numbers)}"  # as in a cluster; else as on a host of its own
        called = self._dice.choice([name, again])
        self._fleet.worker(name, SLOTS, *_options(name), called=called)

    def _kill(self, names: tuple[str, ...]) -> Fault | None:
        name = self._one([n for n in names if self._fleet.processes[n].poll() is None])
        if name is None:
            return None
        seconds = self._dice.uniform(0, 3)
        self._away.add(name)
        process = self._fleet.processes[name]
        process.kill()
        process.wait()
        self._in(seconds, lambda: self._again(name, process))
        return self._fault(f"{_kind(name)} killed", name, seconds)

    def _drain(self, names: tuple[str, ...]) -> Fault | None:
        name = self._one([n for n in names if n not in self._away])
        if name is None:
            return None
        self._away.add(name)
        process = self._fleet.processes[name]
        process.terminate()
        self._draining[name] = (process, time.monotonic() + DRAIN_SECONDS)
        word = "drained" if name in ALL_WORKERS else "ended"
        return self._fault(f"{_kind(name)} {word}", name, 0)

    def _look_at_draining(self) -> None:
        for name, (process, until) in list(self._draining.items()):
            if process.poll() is None and time.monotonic() < until:
                continue
            if process.poll() is None:
                self.problems.append(f"{name} does not end when it is told to")
                process.kill()
                process.wait()
            del self._draining[name]
            self._again(name, process)

    def _again(self, name: str, dead: subprocess.Popen[bytes]) -> None:
        if self._fleet.processes[name] is dead:  # nobody else has seen to it
            self._begin(name)

    def _stop(self, names: tuple[str, ...]) -> Fault | None:
        name = self._one([n for n in names if self._fleet.processes[n].poll() is None])
        if name is None:
            return None
        seconds = self._fleet.lease * self._dice.choice(
            [self._dice.uniform(0.1, 0.9), self._dice.uniform(1.1, 2)]
        )
        self._pause(self._fleet.processes[name], seconds)
        return self._fault(f"{_kind(name)} stopped", name, seconds)

    def _pause(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        process.send_signal(signal.SIGSTOP)
        self._in(seconds, lambda: process.send_signal(signal.SIGCONT))

    # the network

    def _cut(self, names: tuple[str, ...]) -> Fault | None:
        network = self._fleet.network
        assert network is not None
        name = self._one([n for n in names if not network.host(n).cut_how])
        return None if name is None else self._cut_host(network.host(name))

    def _cut_host(self, host: Host, then: Callable[[], None] = lambda: None) -> Fault:
        how = self._dice.choice(CUTS)
        lease = self._fleet.lease
        longest = 1.2 if host.name in {"postgres", "client"} else 2.5
        seconds = self._dice.choice([self._dice.uniform(0.05, 0.9), self._dice.uniform(1, longest)])
        host.cut(how)

        def heal() -> None:
            host.heal()
            then()

        self._in(seconds * lease, heal)
        return self._fault(f"{_kind(host.name)} cut off", f"{host.name}, {how}", seconds * lease)

    # PostgreSQL and NATS

    def _restart_postgres(self) -> Fault | None:
        if "postgres" in self._away:
            return None
        self._away.add("postgres")
        number = self._dice.choice([signal.SIGINT, signal.SIGQUIT])
        seconds = self._dice.choice([self._dice.uniform(0, 1), self._dice.uniform(0, 8)])
        self._fleet.postgres.end(number)

        def again() -> None:
            self._fleet.postgres.spawn()
            self._away.discard("postgres")

        self._in(seconds, again)
        return self._fault("PostgreSQL restarted", number.name, seconds)

    def _server(self) -> NatsServer | None:
        """One to harm. As a rule one at a time: without two of three everything waits."""
        if self._weak.total() and self._dice.random() > 0.05:
            return None
        sound = [server for server in self._fleet.servers if not self._weak[server.name]]
        return self._dice.choice(sound) if sound else None

    def _kill_nats(self) -> Fault | None:
        server = self._server()
        if server is None:
            return None
        seconds = self._dice.uniform(0.1, 4)
        server.kill()
        self._weaken(server)
        self._in(seconds, lambda: self._restart_nats(server))
        return self._fault("NATS server killed", server.name, seconds)

    def _restart_nats(self, server: NatsServer) -> None:
        server.spawn()
        self._strengthen(server)

    def _stop_nats(self) -> Fault | None:
        server = self._server()
        if server is None:
            return None
        seconds = self._dice.uniform(0.1, 8)
        self._weaken(server)
        self._pause(server.process, seconds)
        self._in(seconds, lambda: self._strengthen(server))
        return self._fault("NATS server stopped", server.name, seconds)

    def _cut_nats(self) -> Fault | None:
        server, network = self._server(), self._fleet.network
        if server is None or network is None or network.host(server.name).cut_how:
            return None
        self._weaken(server)
        return self._cut_host(network.host(server.name), lambda: self._strengthen(server))

    def _lose_nats(self) -> Fault | None:
        if self._weak.total():
            return None
        for server in self._fleet.servers:
            server.kill()
            server.forget()
            self._weaken(server)
        seconds = self._dice.uniform(0, 2)
        for server in self._fleet.servers:
            self._in(seconds, lambda server=server: self._restart_nats(server))  # type: ignore[misc]
        return self._fault("all of NATS lost", "n0, n1, n2", seconds)

    def _weaken(self, server: NatsServer) -> None:
        self._weak[server.name] += 1

    def _strengthen(self, server: NatsServer) -> None:
        """It takes a while until it is of the quorum again."""

        def sound() -> None:
            self._weak -= Counter([server.name])

        self._in(3, sound)

    # inside

    def _one(self, names: list[str]) -> str | None:
        return self._dice.choice(names) if names else None

    def _in(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._numbers), action))

    def _fault(self, kind: str, target: str, seconds: float) -> Fault:
        return Fault(time.time(), kind, target, round(seconds, 3))


def _options(name: str) -> list[str]:
    if name in OF_FEW:
        return ["--pool", FEW]
    if name == PLACED_WORKER:
        return ["--resources", "cpu=3,memory=4GiB,gpu=1", "--label", "site=far"]
    return ["--resources", "cpu=3,memory=4GiB"]


def _kind(name: str) -> str:
    named = {"postgres": "PostgreSQL", "client": "client"}
    return (
        named.get(name)
        or {"s": "scheduler", "w": "worker", "p": "worker", "n": "NATS server"}[name[0]]
    )
