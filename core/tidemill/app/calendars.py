"""Calendars that schedules leave out: iCalendar files beside the pipelines.

They are read when a file is applied, once, into days and spans of time (see
`tidemill.model.excluded`), so that whoever fires schedules needs no calendar.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tidelang.definition import Schedule
from tidemill.errors import UsageError
from tidemill.model.excluded import left_out

if TYPE_CHECKING:
    from icalendar import Calendar, Event

LARGEST = 1024 * 1024
"""Bytes of a calendar's file."""

MOST_EVENTS = 10_000
"""Events, repeated ones counted, that a calendar may have in the years that count."""

YEARS = 10
"""How far ahead repeated events are laid out."""

_TOO_OFTEN = ("BYHOUR", "BYMINUTE", "BYSECOND")


@dataclass(slots=True)
class Calendars:
    """Reads those that are named from a file in `folder`, inside of `root`, as of `today`."""

    folder: Path
    root: Path
    today: date
    _read: dict[Path, Calendar] = field(default_factory=dict)

    def left_out(self, schedule: Schedule) -> dict[str, Any] | None:
        """All that a schedule leaves out; None where it is nothing.

        Raises:
            UsageError: a calendar cannot be read, or it is too much.
        """
        if not schedule.excluded:
            return None
        zone = ZoneInfo(schedule.timezone)
        days: list[tuple[date, date]] = []
        spans: list[tuple[float, float]] = []
        for entry in schedule.excluded:
            if not entry.lower().endswith(".ics"):
                first, _, last = entry.partition("..")
                days.append((date.fromisoformat(first), date.fromisoformat(last or first)))
                continue
            for event in self._events(entry):
                _add(event, zone, days, spans)
        return left_out(days, spans)

    def _events(self, entry: str) -> Iterator[Event]:
        from recurring_ical_events import of

        path = self._path(entry)
        if path not in self._read:
            self._read[path] = _calendar(path, entry)
        count = 0
        try:
            asked = of(self._read[path])
            for first, last in _months(self.today - timedelta(days=1), 12 * YEARS + 1):
                found = asked.between(first, last)
                count += len(found)
                if count > MOST_EVENTS:
                    raise UsageError(
                        f"{entry} has more than {MOST_EVENTS:,} events in {YEARS} years",
                        "keep those in it that schedules are to leave out",
                    )
                yield from found
        except (ValueError, OverflowError, TypeError, KeyError) as error:
            raise UsageError(f"{entry}: an event cannot be read: {error}") from None

    def _path(self, entry: str) -> Path:
        path = (self.folder / entry).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise UsageError(
                f"{entry} leads out of the repository",
                f"a calendar must lie below {self.root}",
            )
        return path


def _calendar(path: Path, entry: str) -> Calendar:
    from icalendar import Calendar

    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(
            f"{entry}: {error.strerror}", "an entry of `except` names a calendar from its file on"
        ) from None
    if len(content) > LARGEST:
        raise UsageError(f"{entry} is larger than {LARGEST // 2**20} MiB: too large a calendar")
    try:
        found = Calendar.from_ical(content)
    except (ValueError, KeyError, IndexError) as error:
        first_line = str(error).partition("\n")[0]
        raise UsageError(f"{entry} is no iCalendar file: {first_line}") from None
    if not isinstance(found, Calendar):
        raise UsageError(f"{entry} is no iCalendar file: it begins with {found.name}")
    _check(found, entry)
    return found


def _check(calendar: Calendar, entry: str) -> None:
    """What could be laid out into millions is refused before it is tried."""
    for event in calendar.walk("VEVENT"):
        rules = event.get("RRULE", [])
        for rule in rules if isinstance(rules, list) else [rules]:
            often = str(rule.get("FREQ", [""])[0]).upper() in {"HOURLY", "MINUTELY", "SECONDLY"}
            if often or any(part in rule for part in _TOO_OFTEN):
                title = str(event.get("SUMMARY", ""))
                raise UsageError(
                    f"{entry}: the event {title!r} is repeated within a day",
                    "events that are repeated by days, weeks, months or years can be left out",
                )


def _months(first: date, count: int) -> Iterable[tuple[date, date]]:
    start = first
    for _ in range(count):
        following = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield start, following
        start = following


def _add(
    event: Event, zone: ZoneInfo, days: list[tuple[date, date]], spans: list[tuple[float, float]]
) -> None:
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        return
    start, end = event.start, event.end
    if isinstance(start, datetime) and isinstance(end, datetime):
        spans.append((_moment(start, zone), _moment(end, zone)))
    else:
        days.append((start, max(start, end - timedelta(days=1))))


def _moment(at: datetime, zone: ZoneInfo) -> float:
    """A time without a zone is one of the schedule's zone."""
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC).timestamp()
