"""Workers of a real fleet reserve slots ahead of a due time, and begin on the dot."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from fleet import Fleet, NewFleet

LEASE = 4.0
EARLY = 5.0
"""Seconds; a step is reserved 9 before it is due."""

PIPELINE = """
pipeline dot {
  schedule 10s { overlap = allow, prewarm = 9s }
  step go {
    run = "date +%s.%N > began-$TIDE_RUN-$TIDE_FENCE"
  }
}
"""


def reserved(fleet: Fleet) -> list[tuple[int, str, float]]:
    """The runs whose step is reserved, by whom, and when they are due."""
    found = fleet.query(
        "SELECT run.number, task.worker, run.due_at FROM run JOIN task ON task.run = run.number"
        " WHERE task.state = 'reserved' ORDER BY run.number"
    )
    return [(int(str(run)), str(worker), float(str(due))) for run, worker, due in found]


def reserved_early(fleet: Fleet) -> tuple[int, str, float]:
    """One that is not due for a while: a test has the time to do something before that."""

    found: list[tuple[int, str, float]] = []

    def look() -> bool:
        found[:] = [one for one in reserved(fleet) if one[2] - time.time() > EARLY]
        return bool(found)

    fleet.until(look)
    return found[0]


def began(folder: Path, run: int) -> list[float]:
    return [float(path.read_text()) for path in sorted(folder.glob(f"began-{run}-*"))]


def wait_for(moment: float) -> None:
    time.sleep(max(moment - time.time(), 0))


def test_a_reserved_step_begins_on_the_dot_and_outlives_its_worker(
    new_fleet: NewFleet, tmp_path: Path
) -> None:
    fleet = new_fleet(PIPELINE, lease=LEASE)
    fleet.scheduler("s1")
    for name in ("w1", "w2"):
        fleet.worker(name, 2)
    run, worker, due = reserved_early(fleet)
    assert fleet.state(run) == "pending"
    assert fleet.to_the_end(run) == "succeeded"
    (at,) = began(tmp_path, run)
    assert 0 <= at - due < 1.0
    run, worker, due = reserved_early(fleet)
    wait_for(due - 1)
    fleet.kill(worker)
    assert fleet.to_the_end(run) == "succeeded"
    (at,) = began(tmp_path, run)
    assert 0 <= at - due < 2 * LEASE
    assert fleet.query(f"SELECT attempt, fence FROM task WHERE run = {run}") == [(1, 2)]


def test_what_is_cancelled_or_applied_anew_is_taken_back(
    new_fleet: NewFleet, tmp_path: Path
) -> None:
    fleet = new_fleet(PIPELINE, lease=LEASE)
    fleet.scheduler("s1")
    fleet.worker("w1", 2)
    run, _, due = reserved_early(fleet)
    fleet.tidemill("cancel", str(run))
    assert fleet.to_the_end(run) == "cancelled"
    assert time.time() < due
    before, _, due = reserved_early(fleet)
    (tmp_path / "t.tide").write_text(PIPELINE.replace("began-", "changed-"))
    fleet.tidemill("apply", "t.tide")
    assert fleet.to_the_end(before) == "cancelled"
    fleet.until(lambda: any(found[2] == due for found in reserved(fleet)))
    after = next(found[0] for found in reserved(fleet) if found[2] == due)
    assert fleet.to_the_end(after) == "succeeded"
    assert not began(tmp_path, run)
    assert not began(tmp_path, before)
    assert float((tmp_path / f"changed-{after}-1").read_text()) >= due


def test_a_worker_that_is_told_to_stop_hands_its_reservations_over_at_once(
    new_fleet: NewFleet, tmp_path: Path
) -> None:
    fleet = new_fleet(PIPELINE, lease=LEASE)
    fleet.scheduler("s1")
    for name in ("w1", "w2"):
        fleet.worker(name, 2)
    run, worker, due = reserved_early(fleet)
    told_at = time.time()
    fleet.signal(worker, signal.SIGTERM)
    fleet.until(lambda: any(r == run and w != worker for r, w, _ in reserved(fleet)))
    assert time.time() - told_at < LEASE / 2, "before anybody could have missed it"
    assert fleet.to_the_end(run) == "succeeded"
    (at,) = began(tmp_path, run)
    assert 0 <= at - due < 1.0
    assert fleet.query(f"SELECT attempt, fence FROM task WHERE run = {run}") == [(1, 2)]
