"""From ready to started: how long a step waits for nothing but the fleet.

Work becomes ready at a rate that does not give way when the fleet is late (see `drip`): a
step is ready when the one before it ended, and has started when the worker says so. Both are
of one worker process's clock, on this machine.
"""

from __future__ import annotations

import os
import re
import statistics
from dataclasses import dataclass
from unittest import mock

import drip
from ours import Fleet

from tidelang import codec
from tidemill.app.fleet import writing_store
from tidemill.app.reach import nudge
from tidemill.engine.create import NewRun, create_run
from tidemill.model.plan import make_plan
from tidemill.ports import Transaction
from tidemill.project import Project

SLOTS = drip.LANES + 32


@dataclass(frozen=True)
class Waits:
    """Milliseconds, and how many tasks a second became ready: asked for, and in truth."""

    p50: float
    p95: float
    p99: float
    most: float
    asked: float
    driven: float


def latency(here: Fleet, rate: float) -> Waits:
    ticks = rate / (1 + drip.WIDTH)
    with here.at_work():
        here.scheduler()
        here.noop_worker(SLOTS, "--rate", str(ticks))
        here.run("one")
        runs = _create(here)
        for run in runs:
            here.ended(run)
    return _waits(here, runs, rate)


def _create(here: Fleet) -> list[int]:
    """All lanes, in one transaction: they start beside each other."""

    def work(tx: Transaction) -> list[int]:
        row = tx.pipeline("drip")
        assert row is not None
        content = tx.definition(row.digest)
        made = []
        for lane in range(drip.LANES):
            plan = make_plan(codec.decode(content), {"lane": lane})
            every = frozenset(range(plan.size))
            new = NewRun(plan, row.digest, content, row.file, every, carried={}, pooled=True)
            made.append(create_run(tx, new, here.now()).number)
            tx.signal(made[-1])
        return made

    project = Project(here.folder)
    with mock.patch.dict(os.environ, here.env):
        runs = writing_store(project).transact_now(work)
        nudge(project, 0)
    return runs


def _waits(here: Fleet, runs: list[int], rate: float) -> Waits:
    rows = here.query(
        "SELECT task.run, task.key, attempt.started_at, attempt.ended_at FROM task"
        " JOIN attempt USING (run, ordinal)"
        f" WHERE task.run BETWEEN {runs[0]} AND {runs[-1]}"
    )
    ends = {(run, key): ended for run, key, _, ended in rows if key.startswith("tick")}
    waits, readies = [], []
    for run, key, started, _ in rows:
        before = _waits_for(key)
        if before is not None:
            readies.append(ends[run, before])
            waits.append(1000 * (started - ends[run, before]))
    cuts = statistics.quantiles(waits, n=100)
    driven = len(readies) / (max(readies) - min(readies))
    return Waits(cuts[49], cuts[94], cuts[98], max(waits), rate, driven)


def _waits_for(key: str) -> str | None:
    """The step that this one waits for; the first of a lane waits for nothing."""
    name, link = re.findall(r"(tick|go)(\d+)", key)[0]
    if name == "go":
        return f"tick{link}"
    return f"tick{int(link) - 1}" if link != "0" else None
