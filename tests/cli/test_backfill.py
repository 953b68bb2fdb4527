"""`tidemill backfill`: what is asked for, shown, listed and cancelled."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

Tidemill = Callable[..., subprocess.CompletedProcess[str]]

JANUARY = ("--from", "2026-01-01", "--to", "2026-01-31")


@pytest.fixture
def applied(tidemill: Tidemill, tmp_path: Path) -> None:
    step = 'step a { run = "echo {{ n }}" }'
    (tmp_path / "p.tide").write_text(
        "pipeline p {\n  param n: int = 1\n"
        '  schedule "0 2 * * *" { timezone = "Asia/Tokyo", except = ["2026-01-05"] }\n'
        f"  {step}\n}}\n"
        f"pipeline q {{ param n: int = 1; schedule 1h; schedule 2h; {step} }}\n"
    )
    assert tidemill("apply", "p.tide").returncode == 0


@pytest.mark.usefixtures("applied")
def test_a_dry_run_shows_the_due_times_and_makes_nothing(tidemill: Tidemill) -> None:
    done = tidemill("backfill", "p", *JANUARY, "--dry-run", "--json")
    times = json.loads(done.stdout)["due"]
    shown = [datetime.fromtimestamp(at, ZoneInfo("Asia/Tokyo")).isoformat() for at in times]
    days = [day for day in range(1, 32) if day != 5]
    assert shown == [f"2026-01-{day:02}T02:00:00+09:00" for day in days]
    done = tidemill("backfill", "p", *JANUARY, "--dry-run")
    assert len(done.stdout.splitlines()) == 30
    assert "30 runs would be made" in done.stderr
    assert "there is no backfill" in tidemill("backfill", "--list").stderr


@pytest.mark.usefixtures("applied")
def test_a_backfill_is_listed_and_can_be_cancelled(tidemill: Tidemill) -> None:
    done = tidemill("backfill", "p", *JANUARY, "-p", "n=3", "--max-parallel", "4")
    assert done.stdout == "backfill 1 of p: 30 runs are made bit by bit\n"
    (row,) = json.loads(tidemill("backfill", "--list", "--json").stdout)
    assert (row["params"], row["max_parallel"], row["state"]) == ({"n": 3}, 4, "at work")
    assert (
        "backfill 1 is cancelled, and 0 open runs" in tidemill("backfill", "--cancel", "1").stdout
    )
    assert "cancelled by" in tidemill("backfill", "--list").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["p"], "a backfill needs a pipeline, --from and --to"),
        (["x", *JANUARY], "there is no pipeline 'x'"),
        (["q", *JANUARY], "q has 2 schedules: 2, 3"),
        (["q", *JANUARY, "--schedule", "1"], "q has no schedule 1"),
        (["p", "--from", "2026-01-31", "--to", "2026-01-01"], "--to is before --from"),
        (["p", "--from", "soon", "--to", "2026-01-01"], "--from soon: this is no day"),
        (["p", "--from", "2999-01-01", "--to", "2999-02-01"], "was not due"),
        (["q", "--schedule", "2", "--from", "1970-01-01", "--to", "2026-01-01"], "100,000"),
        (["p", *JANUARY, "-p", "m=1"], "no param 'm'"),
        (["p", *JANUARY, "-p", "n=x"], "param n"),
        (["--cancel", "7"], "there is no backfill 7"),
    ],
)
@pytest.mark.usefixtures("applied")
def test_what_makes_no_sense_is_said_in_a_line(
    tidemill: Tidemill, arguments: list[str], said: str
) -> None:
    done = tidemill("backfill", *arguments)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert "Traceback" not in done.stderr
