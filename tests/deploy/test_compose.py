"""`docs/deploy/compose.yaml` and its Dockerfile, as they are, on a real Docker engine: they
bring up a fleet that runs the release example and a pipeline by its schedule.

There may be no registry here, so the images that they name are stand-ins (`stand_ins.py`).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker_engine
import pytest
import stand_ins
from docker_engine import Engine

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs/deploy/compose.yaml"

TICK = """
pipeline tick {
  schedule "* * * * *" {}
  step say { run = "echo fence $TIDE_FENCE" }
}
"""


@pytest.fixture
def engine() -> Iterator[Engine]:
    if why := docker_engine.missing():
        pytest.skip(why)
    engine = Engine()
    try:
        stand_ins.import_all(engine, ROOT)
        yield engine
    finally:
        engine.stop()


class Compose:
    """`docker-compose` with our file and a project's folder."""

    def __init__(self, engine: Engine, project: Path) -> None:
        self._env = engine.env | {"TIDE_PASSWORD": "hunter2", "TIDE_PROJECT": str(project)}

    def __call__(self, *arguments: str, within: float = 120) -> str:
        done = subprocess.run(
            ["docker-compose", "-p", "t", "-f", FILE, *arguments],
            env=self._env, capture_output=True, text=True, check=False, timeout=within,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def client(self, *arguments: str) -> str:
        return self("run", "--rm", "-T", "client", *arguments)

    def runs(self) -> list[dict[str, Any]]:
        return list(json.loads(self("exec", "-T", "scheduler", "tidemill", "runs", "--json")))


@pytest.fixture
def compose(engine: Engine, tmp_path: Path) -> Iterator[Compose]:
    project = tmp_path / "project"
    shutil.copytree(ROOT / "examples/release", project, ignore=shutil.ignore_patterns(".tidemill"))
    (project / "tick.tide").write_text(TICK)
    for path in (project, *project.rglob("*")):
        path.chmod(0o777)  # it belongs to another user in there
    compose = Compose(engine, project)
    yield compose
    compose("down", "--volumes", "--timeout", "20")


def until(reached: Callable[[], bool], what: Callable[[], str], within: float = 180) -> None:
    end = time.monotonic() + within
    while not reached():
        assert time.monotonic() < end, what()
        time.sleep(1)


def test_it_runs_the_release_example_and_a_schedule(engine: Engine, compose: Compose) -> None:
    compose("up", "-d", "--build", within=300)

    def logs() -> str:
        return compose("ps") + compose("logs", "--tail", "30")

    def health() -> list[str]:
        shown = engine.docker("ps", "--format", "{{.Names}} {{.Status}}").splitlines()
        return sorted(line.split()[0][2:-2] for line in shown if "(healthy)" in line)

    wanted = ["postgres", "scheduler", "scheduler", "worker"]
    until(lambda: health() == wanted, logs)

    compose.client("apply", "release.tide", "tick.tide")
    triggered = json.loads(compose.client("trigger", "release", "-p", "version=1.2.0", "--json"))

    def state(pipeline: str) -> dict[int, str]:
        return {
            run["number"]: run["state"] for run in compose.runs() if run["pipeline"] == pipeline
        }

    number = triggered["run"]
    until(lambda: state("release")[number] not in {"pending", "running"}, logs)
    assert state("release") == {number: "succeeded"}, compose.client("status", str(number))
    assert "mdlinks 1.2.0" in compose.client("logs", str(number), "summary")

    until(lambda: "succeeded" in state("tick").values(), logs)
    tick = next(iter(state("tick")))
    assert compose.client("logs", str(tick), "say") == "fence 1\n"
    assert len(state("tick")) <= 2, "two schedulers have started it twice"

    compose("stop", "--timeout", "30", "scheduler", "worker")
    ended = engine.docker("ps", "--all", "--format", "{{.Names}} {{.Status}}")
    assert ended.count("Exited (0)") == 4, ended  # and the one that upgraded the database
    compose("down", "--volumes", "--timeout", "20")
    assert engine.docker("ps", "--all", "--quiet") == ""
    assert engine.docker("volume", "ls", "--quiet") == ""
    assert "t_default" not in engine.docker("network", "ls")
