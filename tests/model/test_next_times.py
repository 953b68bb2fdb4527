"""Every next time over ten years in ten time zones, as an oracle says that looks at every
minute (`tests/support/cron_oracle.py`)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cron_oracle import Clock
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.model import schedules
from tidemill.model.excluded import left_out

ZONES = {
    "UTC": 2020,
    "Europe/Berlin": 2020,
    "America/New_York": 2020,
    "Australia/Lord_Howe": 2020,  # half an hour
    "Antarctica/Troll": 2020,  # two hours
    "Asia/Kathmandu": 2020,  # a quarter of an hour off, never changed
    "Pacific/Apia": 2008,  # without 30 December 2011
    "America/Sao_Paulo": 2012,  # at midnight, until 2019
    "Asia/Tehran": 2016,  # at midnight, until 2022
    "Africa/Casablanca": 2016,  # around each Ramadan
}
"""With the first of ten years that have changes of their clocks in them."""

CRONS = (
    "30 2 * * *",
    "0 0 * * *",
    "*/30 1-2 * * *",
    "15 1,2,23 * * *",
    "0 */6 * * *",
    "45 23 1,15 * fri",
    "0 12 29 feb *",
    "0-30/10 0 */2 jan,mar-apr,oct 0-5",
)
MODES = (None, "skip", "first", "both")


def spec(**fields: Any) -> dict[str, Any]:
    common = {"cron": None, "every": None, "timezone": "UTC", "params": {}, "overlap": "skip"}
    return {**common, "catchup": "latest", "jitter": 0, **fields}


@cache
def clock(zone: str) -> Clock:
    year = ZONES[zone]
    start, end = (int(datetime(y, 1, 1, tzinfo=UTC).timestamp()) for y in (year, year + 10))
    return Clock(ZoneInfo(zone), start, end)


@pytest.mark.parametrize("zone", ZONES)
def test_every_time_of_ten_years_is_that_of_the_oracle(zone: str) -> None:
    known = clock(zone)
    assert zone in {"UTC", "Asia/Kathmandu"} or len(known.changes) >= 7
    for cron in CRONS:
        for dst in MODES:
            of = spec(cron=cron, timezone=zone, **({"dst": dst} if dst else {}))
            found = schedules.times_after(of, known.start - 1)
            found = takewhile(lambda at: at < known.end, found)
            assert list(found) == known.times(cron, dst), (cron, dst)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_next_time_is_that_of_the_oracle_from_wherever_one_looks(data: st.DataObject) -> None:
    zone = data.draw(st.sampled_from(list(ZONES)))
    changes = clock(zone).changes or [(clock(zone).start + 5_400_000, 0, 0)]
    change = data.draw(st.sampled_from(changes))[0]
    known = Clock(ZoneInfo(zone), change - 5 * 86_400, change + 9 * 86_400)
    cron, dst = data.draw(crons()), data.draw(st.sampled_from(MODES))
    first = datetime.fromtimestamp(change, UTC).date() + timedelta(data.draw(st.integers(-3, 3)))
    days = data.draw(st.sampled_from([[], [(first, first + timedelta(data.draw(DAYS)))]]))
    of = spec(cron=cron, timezone=zone, **({"dst": dst} if dst else {}))
    if days:
        of["except"] = left_out(days, ())
    wanted = known.without(known.times(cron, dst), days)
    for away in data.draw(st.lists(st.integers(-200_000, 200_000), min_size=5, max_size=20)):
        following = next((at for at in wanted if at > change + away), None)
        if following is not None:
            assert schedules.first_after(of, change + away) == following, (of, change + away)


DAYS = st.integers(0, 4)


@st.composite
def crons(draw: st.DrawFn) -> str:
    minute = draw(st.sampled_from(["0", "30", "59", "*", "*/15", "5-50/9", "0,30"]))
    hour = draw(st.sampled_from(["0", "1", "2", "3", "*", "*/2", "0-3", "1,2,23"]))
    day = draw(st.sampled_from(["*", "*", "*/2", "1-15", "30,31"]))
    weekday = draw(st.sampled_from(["*", "*", "sun", "mon-fri", "*/3", "0,7"]))
    return f"{minute} {hour} {day} * {weekday}"


def test_a_skipped_day_is_made_up_for_once_or_not_at_all() -> None:
    around = datetime(2011, 12, 29, 22, tzinfo=ZoneInfo("Pacific/Apia")).timestamp()
    daily = spec(cron="0 12 * * *", timezone="Pacific/Apia")
    shown = [
        datetime.fromtimestamp(at, ZoneInfo("Pacific/Apia")).isoformat()[:16]
        for at in takewhile(lambda at: at < around + 86_400, schedules.times_after(daily, around))
    ]
    assert shown == ["2011-12-31T00:00", "2011-12-31T12:00"]
    assert schedules.first_after({**daily, "dst": "skip"}, around) == around + 14 * 3600


def test_a_time_that_comes_once_comes_once() -> None:
    once = spec(at="2026-10-25T02:30:00", timezone="Europe/Berlin")
    assert list(schedules.times_after(once, 0.0)) == [1_792_888_200.0]
    assert schedules.first_after(once, 1_792_888_200.0) is None
    both = list(schedules.times_after({**once, "dst": "both"}, 0.0))
    assert both == [1_792_888_200.0, 1_792_891_800.0]
    gap = spec(at="2026-03-29T02:30:00", timezone="Europe/Berlin")
    assert list(schedules.times_after(gap, 0.0)) == [1_774_746_000.0]
    assert list(schedules.times_after({**gap, "dst": "skip"}, 0.0)) == []


def test_what_is_left_out_for_ever_ends_the_search() -> None:
    never = left_out([(date(2026, 1, 1), date.max)], ())
    assert schedules.first_after(spec(every=1000, **{"except": never}), 1.8e9) is None


def test_spans_are_left_out_without_their_end() -> None:
    hourly = spec(cron="0 * * * *", **{"except": left_out((), [(3600.0, 10_800.0)])})
    assert list(takewhile(lambda at: at < 15_000, schedules.times_after(hourly, 0.0))) == [
        10_800.0,
        14_400.0,
    ]
