"""Steps go to the workers that have what they want: real processes, NATS and PostgreSQL."""

from __future__ import annotations

import json
import signal
from typing import Any

from fleet import Fleet, NewFleet

STEPS = """
pipeline p {
  step render for n in [1, 2, 3] { run = "sleep 0.2", resources { gpu = 1 } }
  step arm { run = "true", labels { arch = "arm64" } }
  step near { run = "true", regions = prefer("eu", "us") }
  step plain { run = "true" }
}
"""
WAITS = """
pipeline p {
  step held { run = "while ! test -e go; do sleep 0.05; done", labels { arch = "arm64" } }
}
"""


def workers(fleet: Fleet) -> dict[str, Any]:
    return {row["name"]: row for row in json.loads(fleet.tidemill("workers", "--json"))}


def are_there(fleet: Fleet, *names: str) -> bool:
    return set(names) <= workers(fleet).keys()


def ran_on(fleet: Fleet, run: int) -> dict[object, object]:
    return dict(fleet.query(f"SELECT key, worker FROM task WHERE run = {run}"))  # type: ignore[arg-type]


def test_each_step_runs_where_it_wants_to(new_fleet: NewFleet) -> None:
    fleet = new_fleet(STEPS)
    for name in ("s1", "s2"):
        fleet.scheduler(name)
    fleet.worker("gpu", 4, "--resources", "cpu=4,gpu=2", "--region", "us")
    fleet.worker("arm", 4, "--label", "arch=arm64", "--region", "eu")
    fleet.until(lambda: are_there(fleet, "gpu", "arm"))
    runs = [fleet.trigger("p") for _ in range(5)]
    for run in runs:
        assert fleet.to_the_end(run) == "succeeded"
        ran = ran_on(fleet, run)
        assert {ran[f"render[{n}]"] for n in (1, 2, 3)} == {"gpu"}
        assert (ran["arm"], ran["near"]) == ("arm", "arm")
    there = workers(fleet)["gpu"]
    assert there["resources"]["gpu"] == 2
    assert there["resources"]["memory"] > 0, "what was not said was found out"
    assert there["used"].get("gpu", 0) == 0
    beside = (
        "SELECT count(*) FROM attempt b JOIN task u ON (b.run, b.ordinal) = (u.run, u.ordinal)"
        " WHERE u.key LIKE 'render%' AND b.started_at <= a.started_at AND b.ended_at > a.started_at"
    )
    most = fleet.query(
        f"SELECT max(n) FROM (SELECT ({beside}) AS n FROM attempt a JOIN task t"
        " ON (a.run, a.ordinal) = (t.run, t.ordinal) WHERE t.key LIKE 'render%') AS c"
    )
    assert most == [(2,)], "two at a time, as there are two"


def test_what_nobody_can_take_says_so_and_runs_when_somebody_comes(new_fleet: NewFleet) -> None:
    fleet = new_fleet(WAITS, lease=3)
    fleet.scheduler("s1", "--lease", "3")
    fleet.worker("w1")
    fleet.until(lambda: are_there(fleet, "w1"))
    run = fleet.trigger("p")
    words = "cannot be placed: no worker of pool default has label arch = arm64"
    # A scheduler that has just come waits for a lease to know who is there.
    fleet.until(lambda: words in fleet.tidemill("status", str(run)))
    assert words in fleet.tidemill("why", str(run), "held")
    (fleet.folder / "go").touch()
    fleet.worker("w2", 4, "--label", "arch=arm64")
    assert fleet.to_the_end(run) == "succeeded"
    assert words not in fleet.tidemill("status", str(run))


def test_a_worker_is_drained_and_stays_cordoned_when_it_comes_again(new_fleet: NewFleet) -> None:
    fleet = new_fleet(WAITS, lease=3)
    fleet.scheduler("s1", "--lease", "3")
    fleet.worker("w1", 4, "--label", "arch=arm64")
    fleet.until(lambda: are_there(fleet, "w1"))
    run = fleet.trigger("p")
    fleet.until(lambda: bool(workers(fleet)["w1"]["holds"]))
    held = fleet.run("workers", "drain", "w1", "--reason", "a new disk", "--within", "2")
    assert held.returncode == 1
    assert "still holds something" in held.stderr
    shown = fleet.tidemill("workers")
    assert "cordoned (a new disk)" in shown
    assert f"held of {run}" in shown
    (fleet.folder / "go").touch()
    assert "w1 holds nothing any more" in fleet.tidemill("workers", "drain", "w1")
    assert fleet.state(run) == "succeeded"
    fleet.signal("w1", signal.SIGTERM)
    assert fleet.end("w1") == 0
    fleet.worker("w1", 4, "--label", "arch=arm64")
    second = fleet.trigger("p")
    fleet.until(lambda: "every worker that fits is cordoned" in fleet.tidemill("status"))
    fleet.until(lambda: workers(fleet)["w1"]["draining"])
    assert fleet.query(f"SELECT state FROM task WHERE run = {second}") == [("ready",)]
    assert "w1 takes work again" in fleet.tidemill("workers", "uncordon", "w1")
    assert fleet.to_the_end(second) == "succeeded"
    assert fleet.run("workers", "uncordon", "w1").returncode == 2
    assert "there is no worker 'w9'" in fleet.run("workers", "cordon", "w9").stderr
