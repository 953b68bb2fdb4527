"""Tidemill's side: a PostgreSQL that is as durable as it is by default, NATS with JetStream,
and the processes of a fleet, all on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import drip
import psycopg
from postgres import Postgres, find
from servers import PATIENCE, Missing, Process

from tidemill.app import trigger
from tidemill.broker.embedded import EmbeddedServer
from tidemill.project import Project

HERE = Path(__file__).parent
CHAIN = 40
STEP_SECONDS = 0.01

PIPELINES = """
pipeline one {{
  step go {{ run = ["true"] }}
}}
pipeline wide {{
  step each for x in range({tasks}) {{ run = ["true"] }}
}}
pipeline steady {{
  step each for x in range(2000) {{
    retry {{ attempts = 9, backoff = 10ms }}
    run = ["true"]
  }}
}}
pipeline processes {{
  step each for x in range({processes}) {{ run = ["true"] }}
}}
pipeline nowhere {{
  step each for x in range({tasks}) {{
    pool = "nowhere"
    run = ["true"]
  }}
}}
pipeline small {{
  step first for x in range(10) {{ run = ["true"] }}
  step second for x in range(10) {{
    needs = [first]
    run = ["true"]
  }}
}}
pipeline held {{
  step each for x in range(4) {{
    retry {{ attempts = 9, backoff = 10ms }}
    run = ["sleep", "600"]
  }}
}}
pipeline chain {{
{chain}
}}
"""


class Fleet:
    """Everything that is needed, in a temporary folder. `tasks` are those of `wide`."""

    def __init__(self, folder: Path, tasks: int, lease: float = 30.0) -> None:
        self.folder, self.lease, self.tasks = folder, lease, tasks
        programs = find()
        if programs is None:
            raise Missing("PostgreSQL is not installed")
        self.postgres = Postgres(programs, fsync="on", synchronous_commit="on")
        self.url = self.postgres.database()
        self._server = EmbeddedServer(folder / "nats")
        access = self._server.start()
        self.nats = access.url.replace("nats://", f"nats://{access.token}@")
        self.env = {"TIDEMILL_POSTGRES": self.url, "TIDEMILL_NATS": self.nats}
        (folder / "tidemill.toml").touch()
        (folder / "b.tide").write_text(
            PIPELINES.format(tasks=tasks, processes=min(tasks, 1000), chain=_chain())
        )
        (folder / "drip.tide").write_text(drip.as_tide())
        self.tidemill("apply", "b.tide", "drip.tide")
        self._processes: list[Process] = []

    def tidemill(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "tidemill.cli", *arguments],
            cwd=self.folder, env=os.environ | self.env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise Missing(done.stderr)
        return done.stdout

    # its processes

    def scheduler(self) -> Process:
        return self._start("-m", "tidemill.cli", "scheduler", "--lease", str(self.lease))

    def worker(self, slots: int, *options: str) -> Process:
        given = ["--lease", str(self.lease), "--slots", str(slots), *options]
        return self._start("-m", "tidemill.cli", "worker", *given)

    def noop_worker(self, slots: int, *options: str) -> Process:
        given = ["--nats", self.nats, "--slots", str(slots), "--lease", str(self.lease), *options]
        return self._start(str(HERE / "noop_worker.py"), *given)

    def _start(self, *arguments: str) -> Process:
        process = Process([sys.executable, *arguments], self.folder, self.env)
        self._processes.append(process)
        return process

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """What is started within is stopped behind it."""
        try:
            yield
        finally:
            for process in self._processes:
                process.stop()
            self._processes.clear()

    # its runs

    def trigger(self, pipeline: str, params: Mapping[str, str] | None = None) -> int:
        """As `tidemill trigger` does, without the start of a process."""
        with mock.patch.dict(os.environ, self.env):
            return trigger(Project(self.folder), pipeline, params or {})

    def run(self, pipeline: str) -> tuple[float, float, float]:
        """When it was asked for, when a scheduler has seen it, and when it had ended."""
        asked = time.time()
        return asked, *self.ended(self.trigger(pipeline))

    def ended(self, run: int, within: float = 2 * PATIENCE) -> tuple[float, float]:
        until = time.monotonic() + within
        while time.monotonic() < until:
            ((started, ended, state),) = self.query(
                f"SELECT started_at, ended_at, state FROM run WHERE number = {run}"
            )
            if ended is not None:
                if state != "succeeded":
                    raise Missing(f"run {run} {state}")
                return started, ended
            time.sleep(0.1)
        raise Missing(f"run {run} has not ended: {self.logs()}")

    @staticmethod
    def now() -> float:
        return time.time()

    def query(self, sql: str) -> list[tuple]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            found = connection.execute(sql.encode())
            return found.fetchall() if found.description else []

    def logs(self) -> str:
        return " / ".join(process.tail() for process in self._processes)

    def stop(self) -> None:
        with self.at_work():
            pass
        self._server.stop()
        self.postgres.stop()


def _chain() -> str:
    seconds = f'run = ["sleep", "{STEP_SECONDS}"]'
    steps = [f"  step s0 {{ {seconds} }}"]
    steps += [
        f"  step s{at} {{\n    needs = [s{at - 1}]\n    {seconds}\n  }}" for at in range(1, CHAIN)
    ]
    return "\n".join(steps)


@contextmanager
def fleet(tasks: int, lease: float = 30.0) -> Iterator[Fleet]:
    with tempfile.TemporaryDirectory(prefix="tide-bench-") as folder:
        found = Fleet(Path(folder), tasks, lease)
        try:
            yield found
        finally:
            found.stop()
