"""Real processes, a real PostgreSQL and a NATS cluster of three, each on a host of its own,
killed, stopped and cut off at random, several at a time, while work goes on: runs that people
start, schedules, events, ends that start others, steps that only one worker may take, limits. The
steps keep a ledger of their own, which must agree with the database.

`make chaos` does it for long. Settings: CHAOS_FAULTS and CHAOS_TASKS (both are reached),
CHAOS_SEED, CHAOS_GAP (seconds between two faults, at least, on average), CHAOS_ONLY (kinds of
faults, with commas between), CHAOS_FOLDER (where logs and the report go).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import network
import psycopg
import pytest
from chaos_checks import Checks
from chaos_client import Client
from chaos_end import behind, news, open_runs, problems
from chaos_faults import SLOTS, WORKERS, Monkey
from chaos_report import report, shown, timeline
from chaos_shapes import filler, source
from chaos_timed import CONFIGURATION, FEW, FEW_SLOTS, TIMED
from chaos_work import Work
from ledger import Ledger, most_at_once
from network import Network
from postgres import find

from fleet import Fleet
from tidemill.broker.streams import ACK_WAIT

FAULTS = int(os.environ.get("CHAOS_FAULTS", "20"))
TASKS = int(os.environ.get("CHAOS_TASKS", "600"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
GAP = float(os.environ.get("CHAOS_GAP", "1.2"))
ONLY = [kind for kind in os.environ.get("CHAOS_ONLY", "").split(",") if kind]
LEASE = 6.0
UNDER_WAY = 16
"""Runs that are under way at a time, about."""
SETTLE_SECONDS = 180.0
"""How long it may take until all runs have ended, once everything has healed."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    wanted = os.environ.get("CHAOS_FOLDER")
    if not wanted:
        return tmp_path
    found = Path(wanted).absolute() / time.strftime("%Y%m%d-%H%M%S")
    found.mkdir(parents=True)
    return found


@pytest.fixture
def hosts() -> Iterator[Network | None]:
    """None where there can be none: a user may have no root, but CI has."""
    if why := network.missing():
        if os.environ.get("CI"):
            pytest.fail(why)
        print(f"nobody will be cut off: {why}")
        yield None
        return
    made = Network()
    yield made
    made.close()


@pytest.fixture
def fleet(folder: Path, hosts: Network | None) -> Iterator[Fleet]:
    programs = find()
    if programs is None:
        pytest.skip("PostgreSQL's programs are not installed")
    (folder / "tidemill.toml").write_text(CONFIGURATION)
    made = Fleet(folder, programs, servers=3, lease=LEASE, network=hosts, fsync="on")
    yield made
    made.stop()


@pytest.fixture
def client(fleet: Fleet) -> Iterator[Client]:
    made = Client(fleet)
    yield made
    made.close()


def test_whoever_dies_nothing_is_lost_or_done_twice(
    folder: Path, fleet: Fleet, client: Client
) -> None:
    dice, ledger = random.Random(SEED), Ledger(folder / "ledger")  # noqa: S311
    _apply(fleet, "chaos", source(ledger))
    work = Work(client, fleet.url, random.Random(SEED), UNDER_WAY)  # noqa: S311
    checks = Checks(fleet.url, ledger, work, rest=3 * LEASE)
    monkey = Monkey(fleet, dice, folder / "faults.jsonl", only=ONLY)
    begun = time.monotonic()
    work.start()
    checks.start()

    _harm(monkey, work, checks, dice)
    idle, healed = time.time(), time.monotonic()
    monkey.heal()
    work.end()
    _settle(lambda: behind(fleet), fleet, monkey)
    for name in TIMED:
        assert client.ask("pause", name) == 1
    lost = [fault.at for fault in monkey.faults if fault.kind == "all of NATS lost"]
    _settle(
        lambda: [*open_runs(fleet), *(work.news.wanted(lost) - news(fleet).keys())], fleet, monkey
    )
    settings = {
        "seed": SEED,
        "lease": LEASE,
        "network": fleet.network is not None,
        "seconds": round(time.monotonic() - begun),
        "seconds to the end of all runs, once healed": round(time.monotonic() - healed, 1),
    }
    ended = time.monotonic()
    for pool, slots in (("default", SLOTS * len(WORKERS)), (FEW, FEW_SLOTS)):
        _fill_all_slots(pool, slots, fleet, client, ledger, work, checks)
    _use_up_all_work(client, checks)
    checks.end()
    checks.look(rest=0)
    # Who is still at work on what has ended is heard by then.
    time.sleep(max(0, ended + 2 * LEASE - time.monotonic()))
    zombies = [run for run in ledger.runs() if run in checks.checked]
    checks.problems += [f"at work on run {run}, which had ended" for run in zombies]
    checks.problems += [*monkey.problems, *checks.across.problems()]
    checks.problems += problems(fleet, work, lost)

    found = report(fleet, monkey.faults, checks, idle, settings)
    (folder / "report.json").write_text(json.dumps(found, indent=2))
    (folder / "timeline.json").write_text(json.dumps(timeline(checks.starts)))
    print(f"\n{shown(found)}")
    assert found["problems"] == []
    assert found["faults"] >= FAULTS
    assert found["tasks"] >= TASKS


def _apply(fleet: Fleet, name: str, text: str) -> None:
    (fleet.folder / f"{name}.tide").write_text(text)
    fleet.tidemill("apply", f"{name}.tide")


def _harm(monkey: Monkey, work: Work, checks: Checks, dice: random.Random) -> None:
    """Until there were enough faults and enough tasks; both at about the same time."""
    begun = looked = time.monotonic()
    done, next_fault = 0, begun + 3
    while len(monkey.faults) < FAULTS or done < TASKS:
        time.sleep(0.05)
        monkey.turn()
        now = time.monotonic()
        if now - looked > 2:
            looked = now
            _raise_errors(work, checks)
            assert not checks.problems + monkey.problems, checks.problems + monkey.problems
            done = checks.counts["tasks"]
        if now >= next_fault and len(monkey.faults) < FAULTS:
            monkey.strike()
            left = (TASKS - done) * (now - begun) / max(done, 1)
            gap = left / max(1, FAULTS - len(monkey.faults))
            next_fault = now + dice.expovariate(1) * min(max(GAP, gap), 4 * GAP)


def _raise_errors(work: Work, checks: Checks) -> None:
    for error in (work.error, checks.error):
        if error is not None:
            raise error


def _settle(left: Callable[[], Sequence[object]], fleet: Fleet, monkey: Monkey) -> None:
    """Until nothing is left of what there is to do."""
    until = time.monotonic() + SETTLE_SECONDS
    found: Sequence[object] = []
    while time.monotonic() < until:
        monkey.turn()
        with contextlib.suppress(psycopg.OperationalError):  # it has just been started
            found = left()
            if not found:
                return
        time.sleep(0.2)
    raise AssertionError(f"these do not end: {found}\n{fleet.logs()}")


def _fill_all_slots(
    pool: str,
    slots: int,
    fleet: Fleet,
    client: Client,
    ledger: Ledger,
    work: Work,
    checks: Checks,
) -> None:
    """No slot was lost on the way."""
    name = f"filler_{pool}"
    _apply(fleet, name, filler(ledger, slots, pool))
    run = client.ask("trigger", name)
    assert run is not None
    work.runs[run] = name
    assert fleet.to_the_end(run, 60) == "succeeded"
    spans = [span for attempts in ledger.read(run).values() for span in attempts.values()]
    if most_at_once(spans) != slots:
        checks.problems.append(f"{most_at_once(spans)} of {slots} slots of {pool} were used")
    checks.checked[run] = "succeeded"
    ledger.remove(run)


def _use_up_all_work(client: Client, checks: Checks) -> None:
    """Nothing is left in NATS that nobody takes. What a killed worker was handed and had not
    claimed comes again after `ACK_WAIT`; until then it hinders nobody. Of what is for one worker
    alone some may be left: nobody takes it who comes again under another name."""
    for stream in ("TIDE_WORK tide.work.>", "TIDE_RESULTS >", "TIDE_EVENTS_IN >"):
        left: int | None = None
        until = time.monotonic() + 2 * ACK_WAIT
        while time.monotonic() < until:
            left = client.ask("waiting", stream)
            if left == 0:
                break
            time.sleep(0.2)
        else:
            checks.problems.append(f"{left} messages are left in {stream}")
