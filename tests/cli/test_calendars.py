"""Calendars whose events schedules leave out."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tidelang.definition import Schedule
from tidemill.app import calendars as module
from tidemill.app.calendars import Calendars
from tidemill.errors import UsageError

Tidemill = Callable[..., subprocess.CompletedProcess[str]]


def calendar(*events: str) -> str:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//t//t//EN"]
    for number, event in enumerate(events):
        lines += ["BEGIN:VEVENT", f"UID:{number}", "DTSTAMP:20260101T000000Z", *event.split()]
        lines.append("END:VEVENT")
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def left_out(folder: Path, *entries: str, zone: str = "Europe/Berlin") -> dict[str, Any]:
    read = Calendars(folder, folder, date(2026, 6, 1))
    found = read.left_out(Schedule(every=1000, timezone=zone, excluded=entries))
    assert found is not None
    return found


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_days_and_ranges_are_joined(tmp_path: Path) -> None:
    found = left_out(tmp_path, "2026-12-24..2026-12-26", "2026-12-27", "2026-07-01")
    assert found["days"] == [["2026-07-01", "2026-07-01"], ["2026-12-24", "2026-12-27"]]


def test_an_event_of_whole_days_leaves_them_out_and_a_timed_one_its_time(tmp_path: Path) -> None:
    (tmp_path / "c.ics").write_text(
        calendar(
            "DTSTART;VALUE=DATE:20261224 DTEND;VALUE=DATE:20261227",
            "DTSTART;VALUE=DATE:20260801",
            "DTSTART:20260701T100000Z DTEND:20260701T120000Z",
            "DTSTART:20260702T100000 DURATION:PT30M",
            "DTSTART;VALUE=DATE:20261001 STATUS:CANCELLED",
        )
    )
    found = left_out(tmp_path, "c.ics")
    assert found["days"] == [["2026-08-01", "2026-08-01"], ["2026-12-24", "2026-12-26"]]
    assert found["spans"] == [
        [moment("2026-07-01T10:00"), moment("2026-07-01T12:00")],
        [moment("2026-07-02T08:00"), moment("2026-07-02T08:30")],  # Berlin's
    ]


def test_repeated_events_count_for_ten_years_without_their_exceptions(tmp_path: Path) -> None:
    (tmp_path / "c.ics").write_text(
        calendar("DTSTART;VALUE=DATE:20200501 RRULE:FREQ=YEARLY EXDATE;VALUE=DATE:20280501")
    )
    days = [first for first, _ in left_out(tmp_path, "c.ics")["days"]]
    assert days == [f"{year}-05-01" for year in range(2027, 2037) if year != 2028]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("x" * (module.LARGEST + 1), "larger than 1 MiB"),
        ("not a calendar", "no iCalendar file"),
        ("BEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\n", "no iCalendar file"),
        (calendar("DTSTART:20260101T000000Z RRULE:FREQ=SECONDLY"), "repeated within a day"),
        (
            calendar("DTSTART:20260101T000000Z RRULE:FREQ=DAILY;BYHOUR=1,2"),
            "repeated within a day",
        ),
        (calendar("SUMMARY:x"), "c.ics"),
    ],
)
def test_what_is_no_calendar_to_go_by_is_said_in_a_line(
    tmp_path: Path, content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "c.ics").write_text(content)
    with pytest.raises(UsageError, match=said):
        left_out(tmp_path, "c.ics")


def test_too_many_events_are_refused(tmp_path: Path) -> None:
    daily = "DTSTART:20260101T000000Z DTEND:20260101T000100Z RRULE:FREQ=DAILY"
    (tmp_path / "c.ics").write_text(calendar(daily))
    with pytest.raises(UsageError, match="days and spans"):
        left_out(tmp_path, "c.ics")
    (tmp_path / "c.ics").write_text(calendar(*[daily] * 400))
    with pytest.raises(UsageError, match="more than 10,000 events"):
        left_out(tmp_path, "c.ics")


def test_a_calendar_outside_of_the_repository_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.ics").write_text(calendar())
    inside = tmp_path / "repo"
    inside.mkdir()
    (inside / "link.ics").symlink_to(tmp_path / "c.ics")
    for entry in ("../c.ics", "link.ics"):
        with pytest.raises(UsageError, match="leads out of the repository"):
            left_out(inside, entry)


def test_a_calendar_that_cannot_be_read_keeps_all_from_being_applied(
    tidemill: Tidemill, tmp_path: Path
) -> None:
    step = 'step a { run = "true" }'
    (tmp_path / "p.tide").write_text(
        f'pipeline q {{ {step} }}\npipeline p {{ schedule 1h {{ except = ["c.ics"] }}; {step} }}\n'
    )
    done = tidemill("apply", "p.tide")
    assert (done.returncode, done.stdout) == (2, "")
    assert "c.ics: No such file" in done.stderr
    assert "there is no pipeline 'q'" in tidemill("trigger", "q").stderr
    (tmp_path / "c.ics").write_text(calendar())
    assert tidemill("apply", "p.tide").returncode == 0
