"""When a schedule is due: pure arithmetic on its `spec`, as the database keeps it.

A spec is JSON: `cron` (five fields), `every` (milliseconds) or `at` (a moment on the wall
clock), `timezone`, `params` (values by name, bound), `overlap`, `catchup`, `jitter` and
`prewarm` (milliseconds; what older releases stored has no `prewarm`); where they are given,
`dst` and `except` (see `tidemill.model.excluded`). Its *nominal* times are those that it
names; it fires each of them `offset` seconds later.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim

from tidelang.definition import Schedule
from tidemill.model.excluded import left_out_until
from tidemill.model.wall_clock import CLOCK, moments, shown_before

MISSED_AFTER = 60.0
"""Seconds after which a time that nobody acted on counts as missed."""

MOST_AT_ONCE = 100
"""Runs that a schedule makes in one transaction, at most: the rest follows in the next."""

LOOKED_THROUGH = 1_000
"""Times that were missed and are looked through in one transaction, at most."""


def spec_of(
    schedule: Schedule, params: Mapping[str, Any], excluded: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The spec of a schedule as it is written, with its params bound (as JSON), and with what
    it leaves out."""
    given = {"at": schedule.at, "dst": schedule.dst, "except": excluded}
    return {
        "cron": schedule.cron,
        "every": schedule.every,
        "timezone": schedule.timezone,
        "params": dict(params),
        "overlap": schedule.overlap,
        "catchup": schedule.catchup,
        "jitter": schedule.jitter,
        "prewarm": schedule.prewarm,
        **{name: value for name, value in given.items() if value is not None},
    }


def identity_of(spec: Mapping[str, Any]) -> str:
    """What makes it the same schedule when its file is applied again: its times and its
    params. How it behaves when late may change, and what it leaves out."""
    same = {name: spec[name] for name in ("cron", "every", "timezone", "params")}
    if "at" in spec:
        same["at"] = spec["at"]
    return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()


def offset(spec: Mapping[str, Any], pipeline: str) -> float:
    """Seconds by which its `jitter` moves it: always the same, and spread evenly over
    schedules."""
    if not spec["jitter"]:
        return 0.0
    digest = hashlib.sha256(f"{pipeline}/{identity_of(spec)}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % int(spec["jitter"]) / 1000


def first_after(spec: Mapping[str, Any], moment: float) -> float | None:
    """The first nominal time after a moment; None if there is none any more."""
    return next(times_after(spec, moment), None)


def moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether times of one and the same schedule have changed."""
    return any(before.get(name) != after.get(name) for name in ("dst", "except", "jitter"))


def times_after(spec: Mapping[str, Any], moment: float) -> Iterator[float]:
    """The nominal times after a moment."""
    excluded = spec.get("except")
    if not excluded:
        yield from _named(spec, moment)
        return
    zone, named = ZoneInfo(spec["timezone"]), _named(spec, moment)
    while (at := next(named, None)) is not None:
        until = left_out_until(excluded, zone, at)
        if until is None:
            yield at
        elif math.isinf(until):
            return
        elif until > at:
            named = _named(spec, math.nextafter(until, at))


def _named(spec: Mapping[str, Any], moment: float) -> Iterator[float]:
    """The same, with what is left out."""
    if spec["every"]:
        yield from _intervals(spec["every"] / 1000, moment)
        return
    zone = ZoneInfo(spec["timezone"])
    if spec["cron"] is None:
        walls: Iterator[datetime] = iter([datetime.fromisoformat(spec["at"])])
    else:
        walls = CronSim(spec["cron"], shown_before(moment, zone))
    for at in moments(walls, zone, _dst(spec)):
        if at > moment:
            yield at


def _intervals(seconds: float, moment: float) -> Iterator[float]:
    count = int(moment // seconds) + 1
    while True:
        yield count * seconds
        count += 1


def _dst(spec: Mapping[str, Any]) -> str:
    """Without a word on it, as Debian's cron: who names hours of the day wants one run at
    each, who does not goes by the clock."""
    given = spec.get("dst")
    if given is not None:
        return str(given)
    fields = spec["cron"].split() if spec["cron"] else ()
    return CLOCK if any(field.startswith("*") for field in fields[:2]) else "first"


@dataclass(frozen=True, slots=True)
class Due:
    """What a schedule has to do: the nominal times that runs are to be made for, and the
    nominal time that comes next, which may have passed too: then the rest follows. `missed`
    are times, `missed_at` the last of them, that no run is made for."""

    times: tuple[float, ...]
    then: float | None
    missed: int = 0
    missed_at: float | None = None


def due(spec: Mapping[str, Any], first: float, now: float) -> Due:
    """What is to be done about the nominal times from `first`, which has passed, to `now`.

    Times that were missed are left out (`catchup = none`), made up for by one run for the
    latest of them (`latest`), or made up for one by one (`all`)."""
    every_one = spec["catchup"] == "all"
    most = MOST_AT_ONCE if every_one else LOOKED_THROUGH
    passed: list[float] = [first]
    coming: float | None = None
    for at in times_after(spec, first):
        if at > now or len(passed) == most:
            coming = at
            break
        passed.append(at)
    if every_one:
        return Due(tuple(passed), coming)
    last = passed[-1]
    is_latest = coming is None or coming > now
    if is_latest and (spec["catchup"] == "latest" or now - last < MISSED_AFTER):
        missed = passed[:-1]
        return Due((last,), coming, len(missed), missed[-1] if missed else None)
    return Due((), coming, len(passed), last)


def passed(spec: Mapping[str, Any], first: float, now: float) -> Due:
    """The same where no run is to be made for any of them."""
    count, last = 1, first
    for at in times_after(spec, first):
        if at > now:
            return Due((), at, count, last)
        count, last = count + 1, at
    return Due((), None, count, last)
