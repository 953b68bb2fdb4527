"""Durations and moments, as people read them."""

from __future__ import annotations

import pytest

from tidemill.cli.times import duration, elapsed, moment, ticking


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 ms"),
        (0.04, "40 ms"),
        (0.0996, "0.1 s"),
        (1.23, "1.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7620, "2 h 07 min"),
        (3 * 86400 + 4 * 3600, "3 d 04 h"),
    ],
)
def test_a_duration_reads(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_goes_on_is_told_in_whole_seconds() -> None:
    assert [ticking(s) for s in (-1, 0.9, 59.99, 61.5)] == ["0 ms", "0 s", "59 s", "1 min 01 s"]


def test_elapsed_runs_to_the_end_or_to_now_and_is_empty_before_the_start() -> None:
    assert elapsed(None, None, 9.0) == ""
    assert elapsed(1.0, None, 9.0) == "8.0 s"
    assert elapsed(1.0, 3.0, 9.0) == "2.0 s"


def test_a_moment_that_has_not_come_is_empty() -> None:
    assert moment(None) == ""
    assert moment(0.0).startswith(("1970-01-01", "1969-12-31"))
