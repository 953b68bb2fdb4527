"""A worker of a fleet that is killed takes its local steps back."""

from __future__ import annotations

from pathlib import Path

import pytest
import recovery

from fleet import NewFleet


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_worker_takes_its_step_back(new_fleet: NewFleet, seed: int) -> None:
    source = recovery.PIPELINE.format(executor="local {}")
    recovery.counts_to_the_end(new_fleet(source, lease=recovery.LEASE), seed)


LATE = """
pipeline late {
  step beats {
    retry { attempts = 3, backoff = 100ms }
    run = "until [ -e go ]; do echo $TIDE_FENCE >> beats; sleep 0.05; done; echo by $TIDE_FENCE"
  }
}
"""


def test_a_worker_that_comes_back_too_late_has_nothing_to_take_back(
    new_fleet: NewFleet, tmp_path: Path
) -> None:
    """Its step has ended before another worker was given the next attempt."""
    fleet = new_fleet(LATE, lease=4)
    fleet.scheduler("s1")
    fleet.worker("w1")
    run = fleet.trigger("late")
    beats = tmp_path / "beats"
    fleet.until(lambda: beats.exists() and records(tmp_path) != [])
    fleet.kill("w1")
    fleet.worker("w2")
    fleet.until(lambda: is_begun_again(beats))
    fleet.worker("w1")
    fleet.until(lambda: "is lost" in fleet.log("w1"))
    (tmp_path / "go").touch()
    assert fleet.to_the_end(run) == "succeeded"
    fences = [int(fence) for fence in beats.read_text().split()]
    assert fences == sorted(fences)
    assert fleet.tidemill("logs", str(run)).splitlines() == [f"by {fences[-1]}"]
    told = "SELECT worker, outcome FROM attempt ORDER BY fence"
    assert fleet.query(told) == [("w1", "lost"), ("w2", "exited")]


def records(folder: Path) -> list[Path]:
    return list((folder / ".tidemill/workers/w1/steps").glob("*.step"))


def is_begun_again(beats: Path) -> bool:
    return len(set(beats.read_text().split())) > 1


def test_a_damaged_record_is_said_in_a_line_and_costs_no_lease(
    new_fleet: NewFleet, tmp_path: Path
) -> None:
    fleet = new_fleet(LATE, lease=60)
    fleet.scheduler("s1")
    fleet.worker("w1")
    run = fleet.trigger("late")
    beats = tmp_path / "beats"
    fleet.until(lambda: beats.exists() and records(tmp_path) != [])
    fleet.kill("w1")
    (record,) = records(tmp_path)
    record.write_bytes(b"rubbish")
    fleet.worker("w1")
    fleet.until(lambda: is_begun_again(beats), 30)
    (tmp_path / "go").touch()
    assert fleet.to_the_end(run) == "succeeded"
    fences = [int(fence) for fence in beats.read_text().split()]
    assert fences == sorted(fences)
    assert "task 0 of run 1 is lost: its worker was restarted" in fleet.log("w1")
    assert "Traceback" not in fleet.log("w1")
