"""Status from a replica: a real one, that follows the fleet's PostgreSQL by streaming."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import psycopg
import pytest
from postgres import Standby, find

from fleet import Fleet, NewFleet
from tidemill.store.replica import ReplicaHistory

PIPELINES = """
pipeline p { step go { run = "echo went" } }
pipeline held { step ask { approve { prompt = "Go?" } } }
"""


@pytest.fixture
def fleet(new_fleet: NewFleet) -> Fleet:
    return new_fleet(PIPELINES)


@pytest.fixture
def standby(fleet: Fleet) -> Iterator[Standby]:
    programs = find()
    assert programs is not None
    made = Standby(programs, fleet.postgres)
    fleet.env["TIDEMILL_REPLICA"] = made.url(made.name(fleet.url))
    yield made
    made.stop()


def _ended(fleet: Fleet) -> int:
    """A run that has succeeded; nothing is at work any more."""
    fleet.scheduler("s1")
    fleet.worker("w1")
    run = fleet.trigger("p")
    assert fleet.to_the_end(run) == "succeeded"
    fleet.until(lambda: fleet.query("SELECT 1 FROM worker") != [])
    assert fleet.end("w1") == fleet.end("s1") == 0
    return run


def test_people_are_answered_while_the_primary_stands_still(fleet: Fleet, standby: Standby) -> None:
    run = _ended(fleet)
    standby.until_it_knows(fleet.url)
    fleet.postgres.send(signal.SIGSTOP)
    try:
        answers = {
            "status": fleet.run("status", str(run)),
            "runs": fleet.run("runs"),
            "workers": fleet.run("workers"),
            "why": fleet.run("why", str(run), "go"),
        }
        unknown = fleet.run("status", "99")
        writing = fleet.run("trigger", "p")
    finally:
        fleet.postgres.send(signal.SIGCONT)
    assert {name: done.returncode for name, done in answers.items()} == dict.fromkeys(answers, 0)
    assert "p #1 succeeded" in answers["status"].stdout
    assert "w1" in answers["workers"].stdout
    assert {done.stderr for done in answers.values()} == {""}
    assert "there is no run 99" in unknown.stderr
    assert "may know of more than the replica" in unknown.stderr
    assert writing.returncode == 3
    assert "cannot be reached" in writing.stderr


def test_a_run_that_the_replica_has_not_heard_of_is_looked_for_in_the_primary(
    fleet: Fleet, standby: Standby
) -> None:
    _pause(standby)
    run = fleet.trigger("held")
    assert fleet.run("runs", "--json").stdout.strip() == "[]"
    assert f"held #{run}" in fleet.tidemill("status", str(run))
    _resume(standby)
    standby.until_it_knows(fleet.url)
    assert json.loads(fleet.tidemill("runs", "--json"))[0]["number"] == run


def test_who_acts_on_a_run_sees_it_as_it_is_now(fleet: Fleet, standby: Standby) -> None:
    run = fleet.trigger("p")
    standby.until_it_knows(fleet.url)
    _pause(standby)
    fleet.scheduler("s1")
    fleet.worker("w1")
    assert fleet.to_the_end(run) == "succeeded"
    assert '"pending"' in fleet.tidemill("status", str(run), "--json")
    for command in (["cancel"], ["approve"], ["retry"]):
        done = fleet.run(*command, str(run))
        assert done.returncode == 2, command
    assert "has ended" in fleet.run("cancel", str(run)).stderr


def test_a_replica_that_is_away_is_said_and_done_without(fleet: Fleet, standby: Standby) -> None:
    run = fleet.trigger("held")
    standby.end()
    done = fleet.run("status", str(run))
    assert done.returncode == 0
    assert f"held #{run}" in done.stdout
    assert done.stderr.startswith("note: the replica cannot be asked, so the primary was: ")
    assert len(done.stderr.splitlines()) == 1
    fleet.postgres.end()
    done = fleet.run("status", str(run))
    assert done.returncode == 3
    assert "cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
    fleet.postgres.start()


def test_a_replica_that_is_behind_says_so(
    fleet: Fleet, standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidemill.store.replica.LAG", 0.0)
    told: list[str] = []
    replica = fleet.env["TIDEMILL_REPLICA"]
    fleet.trigger("held")
    standby.until_it_knows(fleet.url)
    ReplicaHistory(replica, None, told.append).close()
    assert told == []
    _pause(standby)
    fleet.trigger("held")
    fleet.until(lambda: _is_told(standby))
    ReplicaHistory(replica, None, told.append).close()
    assert [text.partition(":")[0] for text in told] == ["the replica is behind"]


def test_a_replica_alone_is_only_read(fleet: Fleet, standby: Standby) -> None:
    run = fleet.trigger("held")
    standby.until_it_knows(fleet.url)
    del fleet.env["TIDEMILL_POSTGRES"]
    assert f"held #{run}" in fleet.tidemill("status", str(run))
    for command in (["trigger", "held"], ["cancel", str(run)], ["apply", "t.tide"]):
        done = fleet.run(*command)
        assert done.returncode == 2, command
        assert "only a replica of the database is configured" in done.stderr


def _pause(standby: Standby) -> None:
    with psycopg.connect(standby.url(), autocommit=True) as connection:
        connection.execute("SELECT pg_wal_replay_pause()")


def _resume(standby: Standby) -> None:
    with psycopg.connect(standby.url(), autocommit=True) as connection:
        connection.execute("SELECT pg_wal_replay_resume()")


def _is_told(standby: Standby) -> bool:
    with psycopg.connect(standby.url()) as connection:
        found = connection.execute(
            "SELECT pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()"
        ).fetchone()
    return found == (True,)
