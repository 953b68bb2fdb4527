"""What a schedule leaves out: days in its time zone, and spans of time.

A spec has it as JSON, in order and without overlaps: `days` are pairs of days (ISO 8601,
both included), `spans` pairs of moments (seconds since the epoch, without the second).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tidemill.errors import UsageError

MOST = 2_000
"""Days and spans, neighbours joined, that one schedule leaves out: they are read each time
that it is due."""


def left_out(
    days: Iterable[tuple[date, date]], spans: Iterable[tuple[float, float]]
) -> dict[str, Any]:
    """All of it as a spec has it.

    Raises:
        UsageError: it is too much.
    """
    one = timedelta(days=1)
    joined: list[list[date]] = []
    for first, last in sorted(days):
        if joined and first <= joined[-1][1] + one:
            joined[-1][1] = max(joined[-1][1], last)
        else:
            joined.append([first, last])
    times: list[list[float]] = []
    for start, end in sorted(spans):
        if times and start <= times[-1][1]:
            times[-1][1] = max(times[-1][1], end)
        else:
            times.append([start, end])
    if len(joined) + len(times) > MOST:
        raise UsageError(
            f"a schedule leaves out {len(joined) + len(times):,} days and spans of time",
            f"at most {MOST:,} are kept in mind: use a calendar with fewer events",
        )
    return {
        "days": [[first.isoformat(), last.isoformat()] for first, last in joined],
        "spans": times,
    }


def left_out_until(excluded: Mapping[str, Any], zone: ZoneInfo, moment: float) -> float | None:
    """The end of what a moment is left out with; None where it is not. At the end it may be
    left out for another reason."""
    at = bisect_right(excluded["spans"], moment, key=lambda span: span[0]) - 1
    if at >= 0 and moment < excluded["spans"][at][1]:
        return float(excluded["spans"][at][1])
    day = datetime.fromtimestamp(moment, zone).date().isoformat()
    at = bisect_right(excluded["days"], day, key=lambda days: days[0]) - 1
    if at >= 0 and day <= excluded["days"][at][1]:
        return _midnight_behind(excluded["days"][at][1], zone)
    return None


def _midnight_behind(day: str, zone: ZoneInfo) -> float:
    """When the next day begins; not later, where clocks are changed around midnight."""
    last = date.fromisoformat(day)
    if last == date.max:
        return float("inf")
    following = last + timedelta(days=1)
    midnight = datetime(following.year, following.month, following.day, tzinfo=zone)
    return min(midnight.timestamp(), midnight.replace(fold=1).timestamp())
