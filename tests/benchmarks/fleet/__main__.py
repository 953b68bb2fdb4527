"""What the fleet does in a second: one scheduler and one worker process, PostgreSQL and
JetStream, all on this machine and durable.

    python tests/benchmarks/fleet [--tasks N] [--only throughput|true|latency|chain|stored]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1] / "support")]

from postgres import Postgres, find  # noqa: E402

from tidemill.broker.embedded import EmbeddedServer  # noqa: E402

SOURCE = """
pipeline wide {{
  step each for x in range({tasks}) {{ run = ["true"] }}
}}
pipeline one {{
  step go {{ run = ["true"] }}
}}
pipeline chain {{
{chain}
}}
"""


class Fleet:
    """Everything that is needed, in a temporary folder."""

    def __init__(self, folder: Path, tasks: int, *, fsync: str = "on") -> None:
        self.folder = folder
        programs = find()
        assert programs is not None, "PostgreSQL is not installed"
        self.postgres = Postgres(programs, fsync=fsync, synchronous_commit="on")
        self.url = self.postgres.database()
        self.nats = EmbeddedServer(folder / "nats")
        access = self.nats.start()
        self.nats_url = access.url.replace("nats://", f"nats://{access.token}@")
        self.env = os.environ | {"TIDEMILL_POSTGRES": self.url, "TIDEMILL_NATS": self.nats_url}
        chain = "\n".join(
            f'  step s{i} {{ run = ["sleep", "0.01"]{f"; needs = [s{i - 1}]" if i else ""} }}'
            for i in range(40)
        ).replace("; needs", "\n    needs")
        (folder / "b.tide").write_text(SOURCE.format(tasks=tasks, chain=chain))
        self.tidemill("apply", "b.tide")
        self._processes: list[subprocess.Popen[bytes]] = []

    def tidemill(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "tidemill.cli", *arguments],
            cwd=self.folder, env=self.env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=self.folder, env=self.env,
            stderr=(self.folder / "log").open("ab"),
        )  # fmt: skip
        self._processes.append(process)
        return process

    def noop_worker(self, slots: int, seconds: float = 0.0) -> subprocess.Popen[bytes]:
        script = str(HERE / "noop_worker.py")
        return self.start(script, self.nats_url, str(slots), str(seconds))

    def query(self, sql: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql.encode()).fetchall()

    def run(self, pipeline: str, within: float = 120) -> float:
        """Seconds from when a scheduler has seen a run to the end that the database knows of."""
        number = int(self.tidemill("trigger", pipeline).split()[1])
        until = time.monotonic() + within
        while time.monotonic() < until:
            ((created, ended, state),) = self.query(
                f"SELECT started_at, ended_at, state FROM run WHERE number = {number}"
            )
            if ended is not None:
                assert state == "succeeded", state
                return float(str(ended)) - float(str(created))
            time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text()[-3000:])

    def stop_processes(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait()
        self._processes.clear()

    def stop(self) -> None:
        self.stop_processes()
        self.nats.stop()
        self.postgres.stop()


@contextmanager
def fleet(tasks: int) -> Iterator[Fleet]:
    with tempfile.TemporaryDirectory(prefix="tide-bench-") as folder:
        found = Fleet(Path(folder), tasks)
        try:
            yield found
        finally:
            found.stop()


def throughput(here: Fleet, tasks: int, *, noop: bool) -> float:
    here.start("-m", "tidemill.cli", "scheduler")
    if noop:
        here.noop_worker(32)
    else:
        here.start("-m", "tidemill.cli", "worker", "--slots", "4")
    time.sleep(2)
    here.run("one")
    rates = [tasks / here.run("wide") for _ in range(3)]
    here.stop_processes()
    return statistics.median(rates)


def chain(here: Fleet, *, noop: bool) -> float:
    here.start("-m", "tidemill.cli", "scheduler")
    if noop:
        here.noop_worker(4, 0.01)
    else:
        here.start("-m", "tidemill.cli", "worker", "--slots", "4")
    time.sleep(2)
    here.run("one")
    seconds = statistics.median(here.run("chain") for _ in range(3))
    here.stop_processes()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    with fleet(given.tasks) as here:
        if given.only in {"", "throughput"}:
            print(f"no-op tasks a second: {throughput(here, given.tasks, noop=True):8.0f}")
        if given.only in {"", "chain"}:
            print(f"40 steps of 10 ms, no process: {chain(here, noop=True):8.2f} s (0.4 s at best)")
            print(f"40 steps of `sleep 0.01`:      {chain(here, noop=False):8.2f} s")
    with fleet(min(given.tasks, 1000)) as here:
        if given.only in {"", "true"}:
            rate = throughput(here, min(given.tasks, 1000), noop=False)
            print(f"`true` a second:      {rate:8.0f}")


if __name__ == "__main__":
    main()
