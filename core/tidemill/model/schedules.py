"""When a schedule is due: pure arithmetic on its `spec`, as the database keeps it.

A spec is JSON: `cron` (five fields, or None) or `every` (milliseconds), `timezone`,
`params` (values by name, bound), `overlap`, `catchup`, `jitter` and `prewarm` (milliseconds;
what older releases stored has no `prewarm`). Its *nominal* times are those that it names; it
fires each of them `offset` seconds later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim

from tidelang.definition import Schedule

MISSED_AFTER = 60.0
"""Seconds after which a time that nobody acted on counts as missed."""

MOST_AT_ONCE = 100
"""Runs that a schedule makes in one transaction, at most: the rest follows in the next."""


def spec_of(schedule: Schedule, params: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of a schedule as it is written, with its params bound (as JSON)."""
    return {
        "cron": schedule.cron,
        "every": schedule.every,
        "timezone": schedule.timezone,
        "params": dict(params),
        "overlap": schedule.overlap,
        "catchup": schedule.catchup,
        "jitter": schedule.jitter,
        "prewarm": schedule.prewarm,
    }


def identity_of(spec: Mapping[str, Any]) -> str:
    """What makes it the same schedule when its file is applied again: its times and its
    params. How it behaves when late may change."""
    same = {name: spec[name] for name in ("cron", "every", "timezone", "params")}
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
    return next(_times(spec, moment), None)


def _times(spec: Mapping[str, Any], moment: float) -> Iterator[float]:
    every = spec["every"]
    if every:
        seconds = every / 1000
        count = int(moment // seconds) + 1
        while True:
            yield count * seconds
            count += 1
    zone = ZoneInfo(spec["timezone"])
    start = datetime.fromtimestamp(moment, UTC).astimezone(zone)
    for found in CronSim(spec["cron"], start):
        at = found.timestamp()
        if at > moment:  # in a fold the wall clock shows an hour twice
            yield at


@dataclass(frozen=True, slots=True)
class Due:
    """What a schedule has to do: the nominal times that runs are to be made for, and the
    nominal time that comes next."""

    times: tuple[float, ...]
    then: float | None


def due(spec: Mapping[str, Any], first: float, now: float) -> Due:
    """What is to be done about the nominal times from `first`, which has passed, to `now`.

    Times that were missed are left out (`catchup = none`), made up for by one run for the
    latest of them (`latest`), or made up for one by one (`all`)."""
    times: list[float] = [first]
    coming: float | None = None
    for at in _times(spec, first):
        if at > now or (spec["catchup"] == "all" and len(times) == MOST_AT_ONCE):
            coming = at
            break
        times.append(at) if spec["catchup"] == "all" else times.__setitem__(0, at)
    if spec["catchup"] == "none":
        times = [at for at in times if now - at < MISSED_AFTER]
    return Due(tuple(times), coming)
