"""How late a scheduled step begins, with `prewarm` and without: `python tests/benchmarks/prewarm.py
local|docker [--hot 1] [--every 22] [--prewarm 14] [--rounds 25] [--without 1]`.

Real processes: PostgreSQL, NATS with JetStream, a scheduler and two workers. Every `--every`
seconds so many `--hot` runs are due, of high priority, whose one step has an artifact of 100 MB in
NATS that no worker has (their caches keep nothing). In the same moment 1,000 other schedules are
due; 200 long steps are queued.
How late it was is what the step's own clock says, less the due time: the start of its process and
of `date` are in it.

With `docker` the step has a container, of an image that is in a registry and, at the beginning of
each round, not in the engine: between the rounds it is removed, with its layers.

The language gives the first steps of a run no files of earlier ones, so the scheduler here adds
the artifact to their orders; all else is as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
sys.path.insert(0, str(Path(__file__).parent / "fleet"))

import psycopg
from postgres import Postgres, find
from prewarm_image import EXECUTOR, Images
from servers import PATIENCE, Missing, Process

from tidemill.app import artifacts as stores
from tidemill.app.fleet import fleet
from tidemill.broker.embedded import EmbeddedServer
from tidemill.cli import main as tidemill
from tidemill.clock import SystemClock
from tidemill.engine import dispatch
from tidemill.model.messages import FileInput, Order
from tidemill.project import Project

HERD, QUEUED, SLOTS, SIZE = 1_000, 200, 6, 100_000_000
WANTED = 0.05
DIGESTS = "TIDE_BENCH_DIGESTS"

QUIET = """
pipeline herd {{
  param n: int = 0
{herd}
  step go {{ run = ["true"] }}
}}
pipeline long {{
  step each for x in range({queued}) {{
    priority = low
    run = ["sleep", "5"]
  }}
}}
"""
HOT_ONE = """
pipeline hot {{
  param n: int = 0
{schedules}
  step go {{
    priority = high
    run = "date +%s.%N > began-$TIDE_RUN"
    {executor}
  }}
}}
"""


@dataclass(frozen=True)
class Plan:
    """Of how many steps, and how often and how far ahead, in seconds."""

    hot: int
    every: int
    prewarm: int

    def scheduled(self, count: int, *more: str) -> str:
        settings = ", ".join(["overlap = allow", *more])
        return "\n".join(
            f"  schedule {self.every}s {{ {settings}, params = {{ n = {n} }} }}"
            for n in range(count)
        )


def scheduler() -> None:
    """The process of the scheduler, which adds the artifacts."""
    digests, honest = os.environ[DIGESTS].split(), dispatch.make_order

    def make_order(run: Any, *arguments: Any) -> Order:
        order = honest(run, *arguments)
        if run.pipeline == "hot":
            digest = digests[int(run.params["n"])]
            order = replace(order, inputs=(FileInput("artifact", digest),))
        return order

    dispatch.make_order = make_order
    sys.argv = ["tidemill", "scheduler"]
    tidemill()


class Bench:
    def __init__(self, folder: Path, images: Images | None, plan: Plan) -> None:
        self.images, self.plan = images, plan
        programs = find()
        if programs is None:
            raise Missing("PostgreSQL is not installed")
        self.folder = folder
        self.postgres = Postgres(programs, fsync="on", synchronous_commit="on")
        self.url = self.postgres.database()
        self.server = EmbeddedServer(folder / "nats")
        access = self.server.start()
        nats = access.url.replace("nats://", f"nats://{access.token}@")
        self.env = {"TIDEMILL_POSTGRES": self.url, "TIDEMILL_NATS": nats}
        self.env |= images.env if images is not None else {}
        os.environ |= self.env
        (folder / "tidemill.toml").write_text('[artifacts]\ncache = "1MiB"\n')
        (folder / "quiet.tide").write_text(QUIET.format(herd=plan.scheduled(HERD), queued=QUEUED))
        self.processes: list[Process] = []

    def tidemill(self, *arguments: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "tidemill.cli", *arguments],
            cwd=self.folder, env=os.environ | self.env, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def start(self, *arguments: str) -> None:
        self.processes.append(Process([sys.executable, *arguments], self.folder, self.env))

    async def store(self) -> None:
        """Puts the artifacts into NATS."""
        project = Project(self.folder)
        where = fleet(project)
        kept, _ = stores.open_artifacts(stores.place(project, where), project, where, SystemClock())
        digests = []
        for number in range(self.plan.hot):
            path = self.folder / f"artifact-{number}"
            path.write_bytes(os.urandom(SIZE))
            digests.append((await kept.put(path)).digest)
            path.unlink()
        await kept.close()
        self.env[DIGESTS] = " ".join(digests)

    def lateness(self, rounds: int, *prewarm: str) -> list[float]:
        """Of so many rounds, in seconds."""
        executor = EXECUTOR if self.images is not None else ""
        schedules = self.plan.scheduled(self.plan.hot, *prewarm)
        source, every = HOT_ONE.format(schedules=schedules, executor=executor), self.plan.every
        (self.folder / "hot.tide").write_text(source)
        self.tidemill("apply", "hot.tide", "quiet.tide")
        begin = (time.time() // every + 3) * every  # one round passes in which all get going
        end = begin + rounds * every
        rows: list[tuple] = []
        while time.time() < end or not self._have_begun(rows, rounds):
            rows = self.query(
                "SELECT number, due_at FROM run WHERE pipeline = 'hot'"
                f" AND due_at >= {begin} AND due_at < {end} AND state <> 'cancelled'"
            )
            ready = "SELECT count(*) FROM task WHERE key LIKE 'each%' AND state = 'ready'"
            if self._until_next() > 3 and self.query(ready)[0][0] < QUEUED:
                self.tidemill("trigger", "long")
            self._remove_image(rows, self.plan.prewarm if prewarm else 0)
            time.sleep(1)
        return sorted(self._began(number) - due for number, due in rows)

    def _until_next(self) -> float:
        """Seconds until something is due: what is done here is not to be in its way."""
        return self.plan.every - time.time() % self.plan.every

    def _remove_image(self, rows: list[tuple], ahead: int) -> None:
        """Where no run is going, or about to be made."""
        idle = all(self._began(number) for number, _ in rows)
        until_next = self._until_next()
        if self.images is not None and idle and ahead + 1 < until_next < self.plan.every - 1.5:
            self.images.remove()

    def _have_begun(self, rows: list[tuple], rounds: int) -> bool:
        if rows and time.time() > PATIENCE + max(float(due) for _, due in rows):
            ended = self.query("SELECT run, state, detail FROM task WHERE key = 'go'")
            missing = [row for row in ended if not self._began(row[0]) and row[2]]
            raise Missing(f"{len(rows)} runs were made, and not all of them have begun: {missing}")
        return len(rows) == rounds * self.plan.hot and all(self._began(run) for run, _ in rows)

    def _began(self, run: int) -> float:
        """0 where it has not."""
        path = self.folder / f"began-{run}"
        return float(path.read_text() or 0) if path.exists() else 0.0

    def query(self, sql: str) -> list[tuple]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(sql.encode()).fetchall()

    @property
    def removed(self) -> int:
        return self.images.removed if self.images is not None else 0

    def stop(self) -> None:
        for process in self.processes:
            process.stop()
        self.server.stop()
        self.postgres.stop()
        if self.images is not None:
            self.images.stop()


@contextmanager
def started(kind: str, plan: Plan) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="tide-prewarm-") as folder:
        Path(folder).chmod(0o755)
        bench = Bench(Path(folder), Images() if kind == "docker" else None, plan)
        try:
            yield bench
        finally:
            bench.stop()


def shown(name: str, late: list[float]) -> str:
    at = {share: late[min(int(len(late) * share), len(late) - 1)] for share in (0.9, 0.99)}
    columns = [statistics.median(late), at[0.9], at[0.99], late[0], late[-1]]
    shown = f"{name:16} {len(late):4} " + " ".join(f"{1000 * x:9.1f}" for x in columns)
    return f"{shown} {sum(each > WANTED for each in late):6}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("local", "docker"))
    for name, usual in (("hot", 1), ("every", 22), ("prewarm", 14), ("rounds", 25), ("without", 1)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    given = parser.parse_args()
    plan = Plan(given.hot, given.every, given.prewarm)
    with started(given.kind, plan) as bench:
        bench.tidemill("apply", "quiet.tide")
        asyncio.run(bench.store())
        bench.start(str(Path(__file__)), "scheduler")
        for _ in range(2):
            bench.start("-m", "tidemill.cli", "worker", "--slots", str(SLOTS))
        print(
            f"{'':16} {'runs':>4} {'median':>9} {'p90':>9} {'p99':>9} {'first':>9} {'last':>9}"
            "  ms, later than 50 ms"
        )
        for name, count, settings in (
            ("with prewarm", given.rounds, [f"prewarm = {plan.prewarm}s"]),
            ("without", given.without, []),
        ):
            load, removed = os.getloadavg(), bench.removed
            print(shown(name, bench.lateness(count, *settings)), flush=True)
            print(f"  load {load[0]:.1f} to {os.getloadavg()[0]:.1f};", end=" ")
            print(f"the image was removed {bench.removed - removed} times", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["scheduler"]:
        scheduler()
    else:
        main()
