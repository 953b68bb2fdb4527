"""Applying, pausing and resuming beside schedulers that fire the same schedules in that second:
no due time is lost or had twice, by the database and by what the steps say they did."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from fleet import NewFleet
from tidemill.app import apply
from tidemill.app.applying import Sources
from tidemill.app.pausing import pause, resume
from tidemill.project import Project

SECONDS = 8.0
NAMES = {"plain": 1, "ahead": 2}
"""Pipelines, and every how many seconds they are due."""
SLOP = 0.05
"""Seconds by which clocks are read too early or too late here."""


def source(version: int) -> str:
    """Steps write down when they were due, and of which version they are, once they have begun.
    What was made ahead of another version is taken back."""
    ahead = 1200 + version % 4 * 100
    return f"""
pipeline plain {{
  schedule 1s {{ overlap = allow, catchup = all }}
  step go {{ run = "echo {{{{ run.due }}}} {version} >> did-plain" }}
}}
pipeline ahead {{
  schedule 2s {{ overlap = allow, catchup = all, prewarm = {ahead}ms }}
  step go {{ run = "echo {{{{ run.due }}}} {version} >> did-ahead" }}
}}
"""


Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(params=["sqlite", "postgres"])
def query(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    new_fleet: NewFleet,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Query]:
    """A fleet at work in `tmp_path`, and how to ask its database."""
    (tmp_path / "t.tide").write_text(source(0))
    if request.param == "postgres":
        fleet = new_fleet(source(0), lease=4)
        for name in ("TIDEMILL_POSTGRES", "TIDEMILL_NATS"):
            monkeypatch.setenv(name, fleet.env[name])
        for name in ("s1", "s2"):
            fleet.scheduler(name)
        fleet.worker("w1", 8)
        yield fleet.query
        return
    for name in ("TIDEMILL_POSTGRES", "TIDEMILL_NATS"):
        monkeypatch.delenv(name, raising=False)
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "tidemill.cli"]
    subprocess.run([*command, "apply", "t.tide"], cwd=tmp_path, env=env, check=True)
    with subprocess.Popen([*command, "up", "--slots", "8"], cwd=tmp_path, env=env) as up:

        def ask(sql: str) -> list[tuple[Any, ...]]:
            with sqlite3.connect(tmp_path / ".tidemill" / "tidemill.db") as connection:
                return connection.execute(sql).fetchall()

        yield ask
        up.send_signal(signal.SIGTERM)


def due_times(query: Query, name: str) -> list[float]:
    """Of the runs of a schedule; what was made ahead and taken back belongs to none."""
    asked = f"SELECT due_at FROM run WHERE pipeline = '{name}' AND schedule IS NOT NULL"
    return [float(due) for (due,) in query(f"{asked} ORDER BY due_at")]


def state_of(name: str) -> str:
    return f"SELECT next_due, missed FROM schedule WHERE pipeline = '{name}'"


def did(folder: Path, name: str) -> list[float]:
    """When the steps were due that have begun."""
    lines = (folder / f"did-{name}").read_text().splitlines()
    return [datetime.fromisoformat(line.split()[0]).timestamp() for line in lines]


def until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.05)


def settled(query: Query) -> bool:
    ended = "state IN ('succeeded', 'failed', 'cancelled')"
    return query(f"SELECT count(*) FROM run WHERE NOT {ended}") == [(0,)]


def test_what_is_applied_beside_firing_loses_no_due_time_and_doubles_none(
    query: Query, tmp_path: Path
) -> None:
    project, file = Project(tmp_path), tmp_path / "t.tide"
    until(lambda: all(len(due_times(query, name)) > 1 for name in NAMES))
    until(lambda: (tmp_path / "did-ahead").exists())
    dice, over = random.Random(1), time.monotonic() + SECONDS  # noqa: S311
    version = 0
    while time.monotonic() < over:
        version += 1
        file.write_text(source(version))
        apply(project, Sources((file,)))
        time.sleep(dice.choice((0.0, 0.1, 0.4)))
    for name in NAMES:
        pause(project, name, None, "")
    until(lambda: settled(query))
    assert version > 10
    for name, every in NAMES.items():
        due = due_times(query, name)
        assert due == [due[0] + every * n for n in range(len(due))], name
        assert Counter(did(tmp_path, name)) == Counter(due), name
        ((next_due, missed),) = query(state_of(name))
        assert next_due == due[-1] + every * (missed + 1)


def test_nothing_is_started_for_a_time_of_a_pause_and_all_for_the_others(
    query: Query, tmp_path: Path
) -> None:
    project = Project(tmp_path)
    until(lambda: (tmp_path / "did-ahead").exists())
    spans: dict[str, list[list[float]]] = {name: [] for name in NAMES}
    """When a pause was asked for, and acknowledged; when it was lifted, and that acknowledged."""

    def work(name: str) -> None:
        dice, over = random.Random(name), time.monotonic() + SECONDS  # noqa: S311
        while time.monotonic() < over:
            time.sleep(dice.uniform(0, 2))
            span = [time.time()]
            pause(project, name, None, "")
            span.append(time.time())
            time.sleep(dice.uniform(0, 3))
            span.append(time.time())
            resume(project, name, None)
            spans[name].append([*span, time.time()])

    threads = [threading.Thread(target=work, args=(name,)) for name in NAMES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time_of_end = time.time()
    until(lambda: all(due_times(query, name)[-1] > time_of_end for name in NAMES))
    for name in NAMES:
        pause(project, name, None, "")
    until(lambda: settled(query))
    for name, every in NAMES.items():
        due = due_times(query, name)
        assert set(Counter(due).values()) == {1}, name
        assert Counter(did(tmp_path, name)) == Counter(due), name
        ((next_due, missed),) = query(state_of(name))
        left_out = 0
        for n in range(int((next_due - due[0]) / every)):
            at = due[0] + n * every
            within = [s for s in spans[name] if s[0] - SLOP <= at <= s[3] + SLOP]
            paused = [s for s in within if s[1] + SLOP < at < s[2] - SLOP]
            if paused:
                assert at not in due, f"{name} fired for {at}, in the pause {paused}"
            elif not within:
                left_out += at not in due
        assert missed - len(spans[name]) <= left_out <= missed, name
