"""A fleet of real processes does what a laptop does, and gets over the death of its parts."""

from __future__ import annotations

import itertools
import json
import signal
import time
from pathlib import Path

import psycopg
import pytest
from ledger import Ledger, overlaps

from fleet import Fleet, NewFleet

LEASE = 4.0

PIPELINES = """
pipeline small {
  param who: string = "you"
  step find {
    run = "echo 'names=[\\"a\\", \\"b\\"]' >> $TIDE_OUTPUT"
    output names: list(string)
  }
  step greet for name in find.names { run = "echo hello {{ name }}, {{ who }}" }
  step last { needs = [greet]
    run = "echo fence $TIDE_FENCE key $TIDE_IDEMPOTENCY_KEY"
  }
}
pipeline long {
  step work {
    retry { attempts = 5, backoff = 100ms }
    run = "echo started; sleep 3; echo ended"
  }
}
pipeline longer {
  step work {
    retry { attempts = 5, backoff = 100ms }
    run = "sleep 10"
  }
}
pipeline forever { step work { run = "sleep 600" } }
pipeline gated {
  step ask { approve { prompt = "Go?" } }
  step go { needs = [ask]
    run = "echo went"
  }
}
"""


def test_a_run_goes_through_and_is_seen_from_anywhere(new_fleet: NewFleet) -> None:
    fleet = new_fleet(PIPELINES)
    fleet.scheduler("s1")
    fleet.worker("w1", 2, "--region", "eu", "--label", "disk=fast")
    run = fleet.trigger("small")
    assert fleet.to_the_end(run) == "succeeded"
    assert "greet[b] | hello b, you" in fleet.tidemill("logs", str(run))
    assert "fence 1 key small/" in fleet.tidemill("logs", str(run), "last")
    fleet.until(lambda: "disk=fast" in fleet.tidemill("workers"))
    assert fleet.end("w1") == 0
    assert fleet.end("s1") == 0


def test_logs_are_followed_while_a_step_runs_on_another_machine(new_fleet: NewFleet) -> None:
    fleet = new_fleet(PIPELINES)
    fleet.scheduler("s1")
    fleet.worker("w1")
    run = fleet.trigger("long")
    assert fleet.tidemill("logs", "-f", str(run)).splitlines() == ["started", "ended"]


def test_a_cancel_reaches_the_worker(new_fleet: NewFleet) -> None:
    fleet = new_fleet(PIPELINES)
    fleet.scheduler("s1")
    fleet.worker("w1")
    run = fleet.trigger("forever")
    fleet.until(lambda: _running(fleet, run))
    asked = time.monotonic()
    fleet.tidemill("cancel", str(run))
    assert fleet.to_the_end(run) == "cancelled"
    assert time.monotonic() - asked < 10


def test_an_approval_lets_a_run_go_on(new_fleet: NewFleet) -> None:
    fleet = new_fleet(PIPELINES)
    fleet.scheduler("s1")
    fleet.worker("w1")
    run = fleet.trigger("gated")
    fleet.until(lambda: "awaiting_approval" in str(_tasks(fleet, run)))
    fleet.tidemill("approve", str(run), "ask")
    assert fleet.to_the_end(run) == "succeeded"


def test_a_worker_that_is_killed_loses_its_step_to_another_within_a_lease(
    new_fleet: NewFleet,
) -> None:
    fleet = new_fleet(PIPELINES, lease=LEASE)
    fleet.scheduler("s1")
    fleet.worker("w1")
    run = fleet.trigger("long")
    fleet.until(lambda: _running(fleet, run))
    fleet.worker("w2")
    time.sleep(1.5)  # it is known before the other one dies
    killed = time.time()
    fleet.kill("w1")
    assert fleet.to_the_end(run) == "succeeded"
    ((started,),) = fleet.query(f"SELECT started_at FROM task WHERE run = {run}")
    assert float(str(started)) - killed < LEASE + 1
    outcomes = fleet.query(f"SELECT worker, outcome FROM attempt WHERE run = {run} ORDER BY fence")
    assert outcomes == [("w1", "lost"), ("w2", "exited")]


def test_a_worker_that_is_stopped_for_two_leases_has_no_step_at_work_beside_another(
    new_fleet: NewFleet, tmp_path: Path
) -> None:
    """Its process cannot kill the step, and says late what became of it."""
    ledger = Ledger(tmp_path / "ledger")
    retry, command = "retry { attempts = 5, backoff = 100ms }", json.dumps(ledger.step(8000))
    source = f"pipeline p {{ step work {{ {retry}\n run = {command} }} }}"
    fleet = new_fleet(source, lease=LEASE)
    fleet.scheduler("s1")
    fleet.worker("w1", 1)  # full, it asks for no more work
    run = fleet.trigger("p")
    fleet.until(lambda: _running(fleet, run))
    fleet.worker("w2")
    time.sleep(1.5)  # it is known before the other one is stopped
    fleet.signal("w1", signal.SIGSTOP)
    time.sleep(2 * LEASE)  # the length is the test
    fleet.signal("w1", signal.SIGCONT)
    assert fleet.to_the_end(run) == "succeeded"
    outcomes = fleet.query(f"SELECT worker, outcome FROM attempt WHERE run = {run} ORDER BY fence")
    assert outcomes == [("w1", "lost"), ("w2", "exited")]
    (attempts,) = ledger.read(run).values()
    assert [attempt.ended for attempt in attempts.values()] == [False, True]
    assert overlaps(attempts) == []


def test_a_worker_that_drains_ends_its_step_and_takes_no_other(new_fleet: NewFleet) -> None:
    fleet = new_fleet(PIPELINES)
    fleet.scheduler("s1")
    fleet.worker("w1")
    run = fleet.trigger("long")
    fleet.until(lambda: _running(fleet, run))
    assert fleet.end("w1") == 0
    assert fleet.to_the_end(run) == "succeeded"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_when_one_scheduler_is_gone_the_other_fires_every_time_once(
    new_fleet: NewFleet, number: signal.Signals
) -> None:
    fleet = new_fleet('pipeline tick { schedule 1s { catchup = all, overlap = allow }\n'
                      '  step go { run = ["true"] }\n}', lease=LEASE)  # fmt: skip
    fleet.scheduler("s1")
    fleet.scheduler("s2")
    fleet.worker("w1")
    fleet.until(lambda: _count(fleet) > 4)
    fleet.signal("s1", number)
    gone = _count(fleet)
    fleet.until(lambda: _count(fleet) > gone + 6)
    due = [float(str(at)) for (at,) in fleet.query("SELECT due_at FROM run ORDER BY due_at")]
    assert {after - before for before, after in itertools.pairwise(due)} == {1.0}


def test_a_result_that_a_scheduler_has_read_and_not_booked_counts_all_the_same(
    new_fleet: NewFleet, tmp_path: Path
) -> None:
    fleet = new_fleet('pipeline p { step go { run = "until test -e go; do sleep 0.1; done" } }',
                      lease=LEASE)  # fmt: skip
    fleet.scheduler("s1")
    fleet.worker("w1")
    run = fleet.trigger("p")
    fleet.until(lambda: _running(fleet, run))
    fleet.signal("s1", signal.SIGSTOP)  # the result is sent to it, and it does nothing with it
    (tmp_path / "go").touch()
    time.sleep(1)
    fleet.kill("s1")
    fleet.scheduler("s2")
    assert fleet.to_the_end(run) == "succeeded"
    outcomes = fleet.query(f"SELECT outcome FROM attempt WHERE run = {run}")
    assert outcomes == [("exited",)]


def test_all_that_nats_knew_may_be_lost(new_fleet: NewFleet, tmp_path: Path) -> None:
    fleet = new_fleet(PIPELINES, lease=LEASE)
    fleet.scheduler("s1")
    fleet.worker("w1")
    runs = [fleet.trigger("longer") for _ in range(3)]
    fleet.until(lambda: _running(fleet, runs[-1]))
    server = fleet.servers[0]
    server.kill()
    for path in sorted((tmp_path / "nats" / "n0").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    server.start()
    assert [fleet.to_the_end(run, 90) for run in runs] == ["succeeded"] * 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_postgres_may_be_restarted(new_fleet: NewFleet, number: signal.Signals) -> None:
    fleet = new_fleet(PIPELINES, fsync="on")
    fleet.scheduler("s1")
    fleet.worker("w1")
    runs = [fleet.trigger("small"), fleet.trigger("long")]
    fleet.until(lambda: _running(fleet, runs[1]))
    fleet.postgres.end(number)
    time.sleep(1)
    fleet.postgres.start()
    assert [fleet.to_the_end(run) for run in runs] == ["succeeded"] * 2
    outcomes = fleet.query(f"SELECT outcome FROM attempt WHERE run = {runs[1]}")
    assert outcomes == [("exited",)], "it went on while the database was away"


def test_work_waits_for_a_worker_of_its_pool(new_fleet: NewFleet) -> None:
    fleet = new_fleet('pipeline p { step go { pool = "gpu"\n run = ["true"] } }')
    fleet.scheduler("s1")
    fleet.worker("w1")
    run = fleet.trigger("p")
    time.sleep(2)
    assert fleet.state(run) != "succeeded"
    fleet.worker("w2", 1, "--pool", "gpu")
    assert fleet.to_the_end(run) == "succeeded"


def _running(fleet: Fleet, run: int) -> bool:
    return any(state == "running" for _, state in _tasks(fleet, run))


def _tasks(fleet: Fleet, run: int) -> list[tuple[object, ...]]:
    return fleet.query(f"SELECT key, state FROM task WHERE run = {run} ORDER BY ordinal")


def _count(fleet: Fleet) -> int:
    return int(str(fleet.query("SELECT count(*) FROM run")[0][0]))


def test_a_scheduler_purges_beside_its_work(new_fleet: NewFleet) -> None:
    fleet = new_fleet('pipeline p { step go { run = ["true"] } }')
    runs = [fleet.trigger("p") for _ in range(3)]
    fleet.scheduler("s1")
    fleet.worker("w1")
    assert [fleet.to_the_end(run) for run in runs] == ["succeeded"] * 3
    assert fleet.end("s1") == 0
    with psycopg.connect(fleet.url) as connection:
        connection.execute("UPDATE run SET ended_at = ended_at - 1000 + number")
    fleet.scheduler("s2", "--keep-runs", "1")
    fleet.until(lambda: _count(fleet) == 1)
    fleet.until(lambda: "purged 2 runs" in fleet.log("s2"))
    assert fleet.end("s2") == 0
    assert fleet.run("retry", str(runs[0])).stderr.startswith(f"error: there is no run {runs[0]}")
