"""A database of every older release, with rows in it, becomes one that this release works
with; and nothing else is ever to be seen, whoever dies when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from old_schemas import REVISIONS, make
from postgres import Postgres
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url

from tidemill.app.history import History
from tidemill.engine.plans import plan_of
from tidemill.model.rows import TaskRef
from tidemill.model.states import RunState, TaskState
from tidemill.ports import Transaction
from tidemill.project import Project
from tidemill.store.database import open_postgres, open_sqlite, upgrade_postgres
from tidemill.store.history import SqlHistory
from tidemill.store.migrations import HEAD, stored_revision
from tidemill.store.sql import SqlStore

UPGRADE = """
import sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
import os, signal
from pathlib import Path
from tidemill.store import database

left = int(sys.argv[3])

@event.listens_for(Engine, "before_cursor_execute")
def count(*_):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

{"sqlite": lambda at: database.open_sqlite(Path(at)), "postgres": database.upgrade_postgres}[
    sys.argv[1]
](sys.argv[2])
"""


@dataclass(frozen=True)
class Database:
    kind: str
    where: str

    def raw(self) -> Engine:
        """Without a look at its schema."""
        if self.kind == "postgres":
            return create_engine(make_url(self.where).set(drivername="postgresql+psycopg"))
        Path(self.where).parent.mkdir(exist_ok=True)
        engine = create_engine(f"sqlite:///{self.where}", connect_args={"isolation_level": None})
        event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine

    def upgraded(self) -> Engine:
        if self.kind == "postgres":
            upgrade_postgres(self.where)
            return open_postgres(self.where)
        return open_sqlite(Path(self.where))


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        yield Database("sqlite", str(tmp_path / ".tidemill" / "tidemill.db"))
    else:
        server: Postgres = request.getfixturevalue("postgres")
        yield Database("postgres", server.database(empty=True))


def made(database: Database, revision: str, tmp_path: Path) -> None:
    engine = database.raw()
    make(engine, revision, tmp_path)
    engine.dispose()


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_database_of_every_revision_is_read_after_its_upgrade(
    database: Database, revision: str, tmp_path: Path
) -> None:
    made(database, revision, tmp_path)
    engine = database.upgraded()
    past = SqlHistory(engine)
    run = past.run(1)
    assert run is not None
    assert (run.state, run.params) == (RunState.FAILED, {"who": "anna"})
    assert run.size == len(past.tasks(1))
    assert run.pooled is (revision >= "0006")
    notices = SqlStore(engine).transact_now(lambda tx: tx.notices_of(1))
    assert [notice.error for notice in notices] == (["refused"] if revision >= "0008" else [])
    find = past.tasks(1)[0]
    assert find.outputs == {"names": ["a", "ü'; --"]}
    assert find.key == "find"
    (attempt,) = past.attempts(TaskRef(1, 0))
    assert attempt.peak_memory == (21474836470 if revision >= "0006" else 2147483647)
    assert (attempt.cache is not None) is (revision >= "0003")
    assert [one.number for one in past.runs(9)][-1] == 1
    assert (past.run(2) is None) is (revision >= "0007")
    plan = plan_of(run, past.definition(run.digest) or b"", past.expansions(1))
    assert plan.size == run.size
    engine.dispose()


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_failed_run_of_every_revision_can_be_retried(
    database: Database, revision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tidemill.app.applying import retry

    made(database, revision, tmp_path)
    engine = database.upgraded()
    if database.kind == "postgres":
        monkeypatch.setenv("TIDEMILL_POSTGRES", database.where)
    number = retry(Project(tmp_path), 1)

    def read(tx: Transaction) -> dict[str, TaskState]:
        return {task.key: task.state for task in tx.all_tasks(number)}

    states = SqlStore(engine).transact_now(read)
    assert states["find"] is TaskState.SUCCEEDED, "it is taken over"
    assert states["last"] is TaskState.READY
    view = History(Project(tmp_path)).run(number)
    assert view.retry_of == 1
    engine.dispose()


@pytest.mark.parametrize("revision", REVISIONS[:5])
def test_a_project_of_an_older_release_goes_on_by_itself(revision: str, tmp_path: Path) -> None:
    made(Database("sqlite", str(tmp_path / ".tidemill" / "tidemill.db")), revision, tmp_path)
    for arguments, said in ((["retry", "1"], "succeeded"), (["status", "1"], "p #1 failed")):
        done = subprocess.run(
            [sys.executable, "-m", "tidemill.cli", *arguments],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert said in done.stdout


@pytest.mark.parametrize("statements", [0, 3, 9, 15, 21, 33, 45, 9999])
def test_who_is_killed_while_upgrading_leaves_the_old_schema_or_the_new_one(
    database: Database, statements: int, tmp_path: Path
) -> None:
    made(database, "0001", tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", UPGRADE, database.kind, database.where, str(statements)],
        capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip
    assert done.returncode in {-signal.SIGKILL, 0}, done.stderr
    engine = database.raw()
    with engine.connect() as connection:
        revision = stored_revision(connection)
        assert revision == (HEAD if done.returncode == 0 else "0001")
        columns = [
            row[0] if database.kind == "postgres" else row[1]
            for row in connection.exec_driver_sql(
                "SELECT column_name FROM information_schema.columns WHERE table_name = 'run'"
                if database.kind == "postgres"
                else "PRAGMA table_info(run)"
            )
        ]
        assert ("size" in columns) is (revision == HEAD)
    engine.dispose()
    engine = database.upgraded()
    assert SqlHistory(engine).run(1) is not None
    engine.dispose()
