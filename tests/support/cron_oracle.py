"""Due times by the rule and by brute force: every minute is looked at.

It shares nothing with Tidemill, and knows time zones by what `zoneinfo` says the clock shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = 60
BLOCK = 900
"""Seconds for which the clock is asked once; where it is changed, every minute is asked."""

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  a wall clock's


def _numbers(text: str, low: int, high: int, names: list[str], base: int) -> set[int]:
    found: set[int] = set()
    for part in text.lower().split(","):
        span, _, step = part.partition("/")
        if span == "*":
            first, last = low, high
        else:
            ends = [names.index(e) + base if e in names else int(e) for e in span.split("-")]
            first, last = ends[0], ends[-1]
            if step and len(ends) == 1:
                last = high
        found |= set(range(first, last + 1, int(step or 1)))
    return found


class Cron:
    """Five fields, as they are written."""

    def __init__(self, text: str) -> None:
        minute, hour, day, month, weekday = text.split()
        self.minutes = _numbers(minute, 0, 59, [], 0)
        self.hours = _numbers(hour, 0, 23, [], 0)
        self.days = _numbers(day, 1, 31, [], 0)
        self.months = _numbers(month, 1, 12, _MONTHS, 1)
        self.weekdays = {each % 7 for each in _numbers(weekday, 0, 7, _DAYS, 0)}
        self.both_days = day.startswith("*") or weekday.startswith("*")
        self.by_the_clock = minute.startswith("*") or hour.startswith("*")
        self._known: dict[date, bool] = {}

    def fits_day(self, day: date) -> bool:
        if day not in self._known:
            fits = day.day in self.days, day.isoweekday() % 7 in self.weekdays
            on = all(fits) if self.both_days else any(fits)
            self._known[day] = on and day.month in self.months
        return self._known[day]

    def fits(self, wall: datetime) -> bool:
        return (
            wall.minute in self.minutes and wall.hour in self.hours and self.fits_day(wall.date())
        )


@dataclass(slots=True)
class Clock:
    """What a clock on the wall shows, minute by minute, from `start` up to `end` (seconds)."""

    zone: ZoneInfo
    start: int
    end: int
    blocks: list[tuple[int, int, int]] = field(default_factory=list)
    """Moment, seconds that the clock is ahead of UTC, how long both hold on."""
    changes: list[tuple[int, int, int]] = field(default_factory=list)
    """Moment, seconds ahead of UTC before it and from it on."""
    _known: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ahead = self._ahead(self.start - MINUTE)
        for block in range(self.start, self.end, BLOCK):
            step = BLOCK
            if self._ahead(block) != ahead or self._ahead(block + BLOCK - MINUTE) != ahead:
                step = MINUTE
            for moment in range(block, min(block + BLOCK, self.end), step):
                now = self._ahead(moment)
                if now != ahead:
                    self.changes.append((moment, ahead, now))
                    ahead = now
                self.blocks.append((moment, ahead, step))

    def _ahead(self, moment: int) -> int:
        offset = datetime.fromtimestamp(moment, UTC).astimezone(self.zone).utcoffset()
        assert offset is not None
        return int(offset.total_seconds())

    def wall(self, moment: int, ahead: int) -> datetime:
        return _EPOCH + timedelta(seconds=moment + ahead)

    def times(self, text: str, dst: str | None) -> list[int]:
        """Every moment, in whole minutes, at which a schedule is due."""
        cron = Cron(text)
        if dst is None:
            dst = "clock" if cron.by_the_clock else "first"
        found = set(self._shown(text, cron))
        for moment, before, after in self.changes:
            if after < before and dst in {"skip", "first"}:
                found -= set(range(moment, moment + before - after, MINUTE))
            if after > before and dst in {"first", "both"}:
                left_out = range(moment, moment + after - before, MINUTE)
                if any(cron.fits(self.wall(each, before)) for each in left_out):
                    found.add(moment)
        return sorted(found)

    def _shown(self, text: str, cron: Cron) -> list[int]:
        """Every minute at which the clock shows a time that fits."""
        if text not in self._known:
            known = self._known[text] = []
            for block, ahead, step in self.blocks:
                wall = self.wall(block, ahead)
                assert step == MINUTE or wall.minute % 15 == 0, "no block reaches into two hours"
                if wall.hour not in cron.hours:
                    continue
                known.extend(
                    block + minute
                    for minute in range(0, step, MINUTE)
                    if cron.fits(wall + timedelta(seconds=minute))
                )
        return self._known[text]

    def without(self, times: list[int], days: list[tuple[date, date]]) -> list[int]:
        """Without those on days that are left out."""
        kept = []
        for at in times:
            day = datetime.fromtimestamp(at, self.zone).date()
            if not any(first <= day <= last for first, last in days):
                kept.append(at)
        return kept
