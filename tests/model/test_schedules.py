"""When schedules are due, against an oracle that looks at every minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.model import schedules

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]


def spec(**fields: Any) -> dict[str, Any]:
    common = {"cron": None, "every": None, "timezone": "UTC", "params": {}, "overlap": "skip"}
    return {**common, "catchup": "latest", "jitter": 0, **fields}


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def times(of: dict[str, Any], moment: float, count: int) -> list[float]:
    found = []
    for _ in range(count):
        following = schedules.first_after(of, moment)
        assert following is not None
        found.append(following)
        moment = following
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.integers(0, 59),
    st.integers(0, 23),
    st.integers(1_704_067_200, 1_798_761_600),
)
def test_a_daily_time_comes_once_a_day_and_at_its_wall_clock_time(
    zone: str, minute: int, hour: int, moment: int
) -> None:
    found = times(spec(cron=f"{minute} {hour} * * *", timezone=zone), moment, 5)
    assert found == sorted(set(found))
    days = [datetime.fromtimestamp(t, UTC).astimezone(ZoneInfo(zone)).date() for t in found]
    assert all(after - before == timedelta(days=1) for before, after in pairwise(days))
    for t in found:
        shown = datetime.fromtimestamp(t, UTC).astimezone(ZoneInfo(zone))
        exists = datetime(shown.year, shown.month, shown.day, hour, minute, tzinfo=ZoneInfo(zone))
        if exists.astimezone(UTC).astimezone(ZoneInfo(zone)).hour == hour:
            assert (shown.hour, shown.minute) == (hour, minute)


@given(st.integers(1, 10_000), st.floats(1.6e9, 1.8e9))
def test_an_interval_is_evenly_spaced_whenever_one_looks(seconds: int, moment: float) -> None:
    found = times(spec(every=seconds * 1000), moment, 4)
    assert found[0] > moment
    assert {after - before for before, after in pairwise(found)} == {float(seconds)}
    assert schedules.first_after(spec(every=seconds * 1000), found[0] - 0.001) == found[0]


@pytest.mark.parametrize(
    ("catchup", "wanted"),
    [("none", []), ("latest", ["03:00"]), ("all", ["01:00", "02:00", "03:00"])],
)
def test_missed_times_are_made_up_for_as_asked(catchup: str, wanted: list[str]) -> None:
    hourly = spec(cron="0 * * * *", catchup=catchup)
    due = schedules.due(hourly, at("2026-01-01T01:00"), at("2026-01-01T03:30"))
    assert list(due.times) == [at(f"2026-01-01T{time}") for time in wanted]
    assert due.then == at("2026-01-01T04:00")


def test_a_time_that_has_just_come_is_not_missed() -> None:
    hourly = spec(cron="0 * * * *", catchup="none")
    due = schedules.due(hourly, at("2026-01-01T01:00"), at("2026-01-01T01:00:05"))
    assert due.times == (at("2026-01-01T01:00"),)


def test_very_many_missed_times_come_in_portions() -> None:
    often = spec(every=1000, catchup="all")
    due = schedules.due(often, 1000.0, 5000.0)
    assert len(due.times) == schedules.MOST_AT_ONCE
    assert due.then == 1000.0 + schedules.MOST_AT_ONCE


def test_jitter_is_always_the_same_and_differs_between_pipelines() -> None:
    jittered = spec(every=60_000, jitter=30_000)
    found = {schedules.offset(jittered, name) for name in ("a", "b", "c", "d")}
    assert len(found) == 4
    assert all(0 <= later < 30 for later in found)
    assert schedules.offset(jittered, "a") == schedules.offset(jittered, "a")
    assert schedules.offset(spec(every=60_000), "a") == 0


def test_a_schedule_is_the_same_however_it_behaves_when_late() -> None:
    one, other = spec(cron="0 1 * * *"), spec(cron="0 1 * * *", overlap="allow", catchup="all")
    assert schedules.identity_of(one) == schedules.identity_of(other)
    assert schedules.identity_of(one) != schedules.identity_of(spec(cron="0 2 * * *"))


def test_what_was_missed_is_counted() -> None:
    hourly = spec(cron="0 * * * *", catchup="none")
    due = schedules.due(hourly, at("2026-01-01T01:00"), at("2026-01-01T03:30"))
    assert (due.missed, due.missed_at) == (3, at("2026-01-01T03:00"))
    due = schedules.due({**hourly, "catchup": "latest"}, due.missed_at - 7200, due.missed_at + 9)
    assert (due.missed, due.missed_at) == (2, at("2026-01-01T02:00"))


def test_a_long_time_down_is_looked_through_in_portions() -> None:
    often = spec(every=1000)
    now, made, missed, then = 5000.5, [], 0, 1000.0
    while then <= now:
        due = schedules.due(often, then, now)
        assert due.then is not None
        made, missed, then = [*made, *due.times], missed + due.missed, due.then
    assert (made, missed) == ([5000.0], 4000)
