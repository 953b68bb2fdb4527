"""Several people apply at once: each wholly, in some order; a plan that was overtaken is refused,
and nobody is in another's way for ever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from postgres import Postgres
from sqlalchemy import Engine, text

from tidemill.app import apply, trigger
from tidemill.app.applying import Sources, plan_files
from tidemill.app.plan_file import SavedPlan
from tidemill.errors import UsageError
from tidemill.project import Project
from tidemill.store.database import open_postgres, open_sqlite

PIPELINES = ("a", "b", "c", "d")
"""In two files, of which the second is applied first by some."""

STATE = """
SELECT pipeline.name, pipeline.file, version.pipeline, schedule.spec, trigger.kind
FROM pipeline JOIN version ON version.digest = pipeline.digest
LEFT JOIN schedule ON schedule.pipeline = pipeline.name
LEFT JOIN trigger ON trigger.pipeline = pipeline.name AND trigger.digest = pipeline.digest
ORDER BY pipeline.name
"""


class Place:
    """A project, and its database."""

    def __init__(self, root: Path, url: str | None) -> None:
        self.project, self.url = Project(root), url

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        made = open_sqlite(self.project.database) if self.url is None else open_postgres(self.url)
        try:
            yield made
        finally:
            made.dispose()

    def rows(self, sql: str) -> list[Any]:
        with self.engine() as engine, engine.connect() as connection:
            return list(connection.execute(text(sql)))

    def deadlocks(self) -> int:
        if self.url is None:
            return 0
        asked = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        return int(self.rows(asked)[0][0])


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    if request.param == "sqlite":
        monkeypatch.delenv("TIDEMILL_POSTGRES", raising=False)
        return Place(tmp_path, None)
    server: Postgres = request.getfixturevalue("postgres")
    url = server.database()
    monkeypatch.setenv("TIDEMILL_POSTGRES", url)
    return Place(tmp_path, url)


def pipeline(name: str, version: int) -> str:
    return f"""
pipeline {name} {{
  description = "version {version}"
  schedule {version + 1}h
  trigger event "e{version}"
  step s {{ run = "echo {version}" }}
}}
"""


def written(root: Path, version: int, *, without: str = "") -> Sources:
    """The files of a version, in a folder of their own."""
    folder = root / f"v{version}"
    folder.mkdir(exist_ok=True)
    files = []
    for names in (PIPELINES[:2], PIPELINES[2:]):
        file = folder / f"{names[0]}.tide"
        file.write_text("".join(pipeline(name, version) for name in names if name != without))
        files.append(file)
    return Sources(tuple(files if version % 2 else reversed(files)), (folder,))


def together(*doing: Callable[[], object]) -> list[object]:
    """What came of each, or the error."""
    came: list[object] = [None] * len(doing)
    barrier = threading.Barrier(len(doing))

    def run(place: int, work: Callable[[], object]) -> None:
        barrier.wait()
        try:
            came[place] = work()
        except Exception as error:  # noqa: BLE001  the test looks at it
            came[place] = error

    threads = [threading.Thread(target=run, args=each) for each in enumerate(doing)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return came


def is_whole(rows: list[Any]) -> bool:
    """Whether all that is there is of one version."""
    versions = {row[1].split("/")[0].removeprefix("v") for row in rows}
    every = {spec["every"] // 3_600_000 - 1 for spec in map(spec_of, rows)}
    return len(rows) == len(PIPELINES) and {str(n) for n in every} == versions


def spec_of(row: Any) -> dict[str, Any]:
    found: dict[str, Any] = row[3] if isinstance(row[3], dict) else json.loads(row[3])
    return found


def test_what_several_apply_at_once_is_there_wholly_at_every_moment(place: Place) -> None:
    sources = [written(place.project.root, version) for version in range(4)]
    apply(place.project, sources[0])
    torn: list[list[Any]] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            rows = place.rows(STATE)
            if not is_whole(rows):
                torn.append(rows)

    def work(number: int) -> Callable[[], object]:
        def rounds() -> None:
            for n in range(8):
                apply(place.project, sources[(number + n) % 4])

        return rounds

    watching = threading.Thread(target=watch)
    watching.start()
    came = together(*(work(n) for n in range(4)))
    over.set()
    watching.join()
    assert came == [None] * 4
    assert torn == []
    rows = place.rows(STATE)
    assert is_whole(rows)
    assert {row[4] for row in rows} == {"event"}, "each has its trigger, of its own version"
    assert place.deadlocks() == 0


def planned(place: Place, sources: Sources) -> Callable[[], object]:
    """Does what is planned now, whenever it is called."""
    plan = plan_files(place.project, sources)
    saved = SavedPlan(Path("p"), sources.paths, prune=False, base=plan.base, target=plan.target)
    return lambda: apply(place.project, sources, saved)


def test_of_two_plans_of_one_moment_one_is_done_and_the_other_refused(place: Place) -> None:
    apply(place.project, written(place.project.root, 0))
    now = 0
    for _ in range(4):
        both = [(now + 1) % 4, (now + 2) % 4]
        came = together(*(planned(place, written(place.project.root, n)) for n in both))
        refused = [found for found in came if isinstance(found, UsageError)]
        assert len(refused) == 1, came
        assert "is stale: what is applied has changed since" in str(refused[0])
        now = both[came[0] is refused[0]]
        rows = place.rows(STATE)
        assert is_whole(rows)
        assert rows[0].file.startswith(f"v{now}/")
    assert place.deadlocks() == 0


def test_pruning_beside_applying_leaves_all_or_what_is_left(place: Place) -> None:
    """And a run that is asked for meanwhile is made, or refused in words."""
    root = place.project.root
    all_of_it = written(root, 1)
    apply(place.project, all_of_it)
    elsewhere = root / "other"
    elsewhere.mkdir()
    (elsewhere / "a.tide").write_text(pipeline("a", 1) + pipeline("b", 1))
    rest = Sources((elsewhere / "a.tide",), (root / "v1", elsewhere), prune=True)

    def rounds(work: Callable[[], object], refused: str = "") -> Callable[[], object]:
        def doing() -> int:
            done = 0
            for _ in range(10):
                try:
                    work()
                    done += 1
                except UsageError as error:
                    if not refused or refused not in str(error):
                        raise
            return done

        return doing

    came = together(
        rounds(lambda: apply(place.project, all_of_it)),
        rounds(lambda: apply(place.project, rest)),
        rounds(lambda: trigger(place.project, "d", {}), "there is no pipeline"),
    )
    assert came[:2] == [10, 10], came
    assert isinstance(came[2], int), came[2]
    assert place.rows("SELECT count(*) FROM run")[0][0] == came[2]
    there = {row.name for row in place.rows(STATE)}
    assert there in ({"a", "b"}, set(PIPELINES))
    assert {row[0] for row in place.rows("SELECT pipeline FROM schedule")} == there
    assert {row[0] for row in place.rows("SELECT pipeline FROM trigger")} == there
    assert place.deadlocks() == 0


def test_real_processes_apply_at_once(place: Place) -> None:
    folders = [written(place.project.root, version).paths[0] for version in range(4)]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tidemill.cli", "apply", folder.name],
            cwd=place.project.root,
            env=dict(os.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for folder in folders
    ]
    said = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0] * 4, said
    assert all(out.count(": new") + out.count(": changed") == 4 for out, _ in said), said
    assert is_whole(place.rows(STATE))
