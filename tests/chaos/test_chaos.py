"""Real processes, a real PostgreSQL and a NATS cluster of three, killed and stopped at random,
while work goes on. The steps keep a ledger of their own, which must agree with the database.

CHAOS_FAULTS and CHAOS_RUNS make it longer: `make chaos`.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ledger import STEP, overlaps, read
from postgres import find

from fleet import Fleet

FAULTS = int(os.environ.get("CHAOS_FAULTS", "8"))
RUNS = int(os.environ.get("CHAOS_RUNS", "6"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
LEASE = 6.0


class Monkey:
    """Does harm, of one kind at a time, and lets things heal between."""

    def __init__(self, fleet: Fleet, dice: random.Random) -> None:
        self._fleet, self._dice = fleet, dice
        self._numbers = itertools.count(1)
        self.done: Counter[str] = Counter()

    def harm(self) -> None:
        kinds: list[tuple[str, Callable[[], None]]] = [
            ("a worker is killed", lambda: self._kill("w")),
            ("a scheduler is killed", lambda: self._kill("s")),
            ("a scheduler is stopped", lambda: self._stop("s", self._dice.uniform(1, 12))),
            ("a worker is stopped, shorter than a lease", lambda: self._stop("w", LEASE / 2)),
            ("a NATS server is killed", self._nats),
            ("PostgreSQL is killed", self._postgres),
        ]
        name, fault = self._dice.choice(kinds)
        self.done[name] += 1
        fault()
        time.sleep(self._dice.uniform(0.2, 3))

    def _one(self, kind: str) -> str:
        return self._dice.choice([n for n in sorted(self._fleet.processes) if n[0] == kind])

    def _kill(self, kind: str) -> None:
        self._fleet.kill(self._one(kind))
        name = f"{kind}{next(self._numbers)}-again"
        self._fleet.worker(name) if kind == "w" else self._fleet.scheduler(name)

    def _stop(self, kind: str, seconds: float) -> None:
        name = self._one(kind)
        self._fleet.signal(name, signal.SIGSTOP)
        time.sleep(seconds)
        self._fleet.signal(name, signal.SIGCONT)

    def _nats(self) -> None:
        server = self._dice.choice(self._fleet.servers)
        server.kill()
        time.sleep(self._dice.uniform(0.2, 2))
        server.start()

    def _postgres(self) -> None:
        self._fleet.postgres.end(signal.SIGQUIT)
        time.sleep(self._dice.uniform(0.2, 1))
        self._fleet.postgres.start()


@pytest.fixture
def chaos(tmp_path: Path) -> Iterator[Fleet]:
    programs = find()
    if programs is None:
        pytest.skip("PostgreSQL's programs are not installed")
    fleet = Fleet(tmp_path, programs, servers=3, lease=LEASE, fsync="on")
    yield fleet
    fleet.stop()


def test_whoever_dies_nothing_is_lost_or_done_twice(chaos: Fleet, tmp_path: Path) -> None:
    dice, ledger = random.Random(SEED), tmp_path / "ledger"  # noqa: S311
    script = STEP.format(ledger=ledger, pause="0.1")
    (tmp_path / "c.tide").write_text(
        "pipeline c {\n"
        "  step first for x in range(4) {\n"
        "    retry { attempts = 50, backoff = 100ms, max = 1s }\n"
        f'    run = """\n    {script}\n    """\n  }}\n'
        "  step second for x in range(4) {\n    needs = [first]\n"
        "    retry { attempts = 50, backoff = 100ms, max = 1s }\n"
        f'    run = """\n    {script}\n    """\n  }}\n'
        "}\n"
    )
    ledger.touch()
    chaos.tidemill("apply", "c.tide")
    for name in ("s1", "s2"):
        chaos.scheduler(name)
    for name in ("w1", "w2"):
        chaos.worker(name)
    runs = [chaos.trigger("c") for _ in range(RUNS)]
    monkey = Monkey(chaos, dice)
    for _ in range(FAULTS):
        monkey.harm()
    states = [chaos.to_the_end(run, 180) for run in runs]
    print(dict(monkey.done))

    assert states == ["succeeded"] * RUNS, chaos.logs()
    said = read(ledger)
    tasks = chaos.query("SELECT run, key, state, fence FROM task WHERE pool IS NOT NULL")
    assert len(tasks) == 8 * RUNS
    for run, key, state, fence in tasks:
        attempts = said[int(str(run)), str(key)]
        assert state == "succeeded"
        assert attempts[int(str(fence))].ended, f"{key} of {run}: what counts did not end"
        assert overlaps(attempts) == [], f"{key} of {run}: {attempts}"
    booked = chaos.query(
        "SELECT run, ordinal, count(*) FROM attempt WHERE outcome = 'exited' AND exit_code = 0"
        " GROUP BY run, ordinal HAVING count(*) > 1"
    )
    assert booked == [], "completed twice"
