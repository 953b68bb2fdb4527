"""Hooks of a plugin in a fleet of real processes: functions and policies where steps are
offered; observers told of everything once, whichever scheduler does it."""

from __future__ import annotations

import signal
from pathlib import Path

from distributions import install

from fleet import Fleet, NewFleet

LEASE = 4.0

PLUGIN = """
    import os
    from tidemill.spi import FunctionType, hookimpl
    TIDEMILL_SPI = 1

    def slug(text: str) -> str:
        return "-".join(text.lower().split())

    @hookimpl
    def tidemill_functions():
        return [FunctionType("slug", slug)]

    @hookimpl
    def tidemill_before_dispatch(task):
        return "not here" if task.step == "no" else None

    @hookimpl
    def tidemill_event(event):
        with open("told", "a") as file:
            file.write(f"{event.id} {event.run} {event.step or '-'} {event.state}\\n")
"""

PIPELINES = """
pipeline good {
  param title: string = "A B"
  step each for n in range(20) { run = "echo {{ n }} {{ slug(title) }}" }
}
pipeline bad { step no { run = "true" } }
"""


def told(fleet: Fleet) -> list[list[str]]:
    path = fleet.folder / "told"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def written(fleet: Fleet) -> list[tuple[object, ...]]:
    """What the log has of changes of state, by run in order."""
    return fleet.query(
        "SELECT o.run, coalesce(t.key, '-'), o.data ->> 'state' FROM outbox o"
        " LEFT JOIN task t ON t.run = o.run AND t.ordinal = o.ordinal"
        " WHERE o.kind IN ('run', 'task') ORDER BY o.run, o.seq"
    )


def fleet_with_plugin(new_fleet: NewFleet, tmp_path: Path) -> Fleet:
    site = tmp_path / "site"
    site.mkdir()
    install(site, "tide-hooks", PLUGIN)
    fleet = new_fleet(lease=LEASE)
    fleet.env["PYTHONPATH"] = str(site)
    (tmp_path / "t.tide").write_text(PIPELINES)
    fleet.tidemill("apply", "t.tide")
    return fleet


def seen_by_scheduler(fleet: Fleet) -> None:
    """Waits until a scheduler has seen the observer: what comes now is told."""
    fleet.until(lambda: fleet.query("SELECT count(*) FROM observer") == [(1,)])


def test_all_hooks_work_in_a_fleet_and_two_schedulers_tell_everything_once(
    new_fleet: NewFleet, tmp_path: Path
) -> None:
    fleet = fleet_with_plugin(new_fleet, tmp_path)
    for name in ("s1", "s2"):
        fleet.scheduler(name)
    fleet.worker("w1")
    seen_by_scheduler(fleet)
    runs = [fleet.trigger("good") for _ in range(3)]
    bad = fleet.trigger("bad")
    assert [fleet.to_the_end(run) for run in runs] == ["succeeded"] * 3
    assert fleet.to_the_end(bad) == "failed"
    assert "3 a-b" in fleet.tidemill("logs", str(runs[0]))
    (detail,) = fleet.query(f"SELECT detail FROM task WHERE run = {bad}")
    assert detail == ("vetoed by tide-hooks 1.2: not here",)
    fleet.until(lambda: len(told(fleet)) >= len(written(fleet)))
    by_run = [(int(run), step, state) for _, run, step, state in told(fleet)]
    assert sorted(by_run, key=lambda each: each[0]) == written(fleet), "in order, and once"
    assert [fleet.end(name) for name in ("s1", "s2")] == [0, 0]


def test_a_killed_scheduler_is_followed_by_another_and_nothing_is_left_out(
    new_fleet: NewFleet, tmp_path: Path
) -> None:
    fleet = fleet_with_plugin(new_fleet, tmp_path)
    fleet.scheduler("s1")
    fleet.worker("w1")
    seen_by_scheduler(fleet)
    run = fleet.trigger("good")
    fleet.until(lambda: len(told(fleet)) >= 10)
    fleet.signal("s1", signal.SIGKILL)
    fleet.scheduler("s2")
    assert fleet.to_the_end(run) == "succeeded"
    wanted = len(written(fleet))
    fleet.until(lambda: len({each[0] for each in told(fleet)}) >= wanted)
    first_times = {each[0]: each for each in reversed(told(fleet))}
    in_order = sorted(first_times.values(), key=lambda each: int(each[0].partition(".")[2]))
    found = [(int(run), step, state) for _, run, step, state in in_order]
    assert found == written(fleet)
