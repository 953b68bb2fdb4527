"""`tidemill schedules`, `pause` and `resume`."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Tidemill = Callable[..., subprocess.CompletedProcess[str]]

STEP = 'step a { run = "true" }'


@pytest.fixture
def applied(tidemill: Tidemill, tmp_path: Path) -> Path:
    file = tmp_path / "p.tide"
    file.write_text(
        f'pipeline p {{\n  schedule 1h\n  schedule "0 2 * * *" {{ timezone = "Asia/Tokyo" }}\n'
        f"  {STEP}\n}}\npipeline q {{ {STEP} }}\n"
    )
    assert tidemill("apply", "p.tide").returncode == 0
    return file


def shown(tidemill: Tidemill, *arguments: str) -> list[dict[str, Any]]:
    done = tidemill("schedules", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.usefixtures("applied")
def test_next_times_are_shown(tidemill: Tidemill) -> None:
    hourly, daily = shown(tidemill, "--next", "3")
    assert (hourly["when"], daily["when"]) == ("every 1 h 00 min", "0 2 * * *")
    first, second, third = hourly["next"]
    assert time.time() < first <= time.time() + 3600
    assert (second - first, third - second) == (3600, 3600)
    assert all(at % 86_400 == 17 * 3600 for at in daily["next"])
    text = tidemill("schedules", "p", "--next", "2").stdout.splitlines()
    assert len(text) == 5
    assert "Asia/Tokyo" in text[3]


@pytest.mark.usefixtures("applied")
def test_a_pause_takes_the_next_times_away_until_it_ends(tidemill: Tidemill) -> None:
    done = tidemill("pause", "p", "--reason", "we move")
    assert done.stdout.splitlines() == ["schedule 1 of p is paused", "schedule 2 of p is paused"]
    assert [(each["next"], each["reason"]) for each in shown(tidemill)] == [([], "we move")] * 2
    assert "paused: we move" in tidemill("schedules").stdout
    assert "it is paused already" in tidemill("pause", "p").stderr
    done = tidemill("resume", "--schedule", "2")
    assert "schedule 2 of p goes on, next run" in done.stdout
    assert [bool(each["next"]) for each in shown(tidemill, "p")] == [False, True]


def test_a_schedule_that_is_new_in_a_paused_pipeline_is_paused(
    tidemill: Tidemill, applied: Path
) -> None:
    tidemill("pause", "p", "--reason", "we move")
    applied.write_text(applied.read_text().replace("1h", "2h"))
    assert "next run" not in tidemill("apply", "p.tide").stdout
    assert [each["paused"] for each in shown(tidemill)] == [True, True]


def test_days_that_are_left_out_move_what_was_due(tidemill: Tidemill, applied: Path) -> None:
    before = shown(tidemill)[0]["next"][0]
    day = time.strftime("%Y-%m-%d", time.gmtime(before))
    text = applied.read_text().replace("1h", f'1h {{ except = ["{day}"] }}')
    applied.write_text(text)
    tidemill("apply", "p.tide")
    first = next(each for each in shown(tidemill) if each["when"].startswith("every"))
    assert first["schedule"] == 1
    assert first["next"][0] == (before // 86_400 + 1) * 86_400


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["schedules", "x"], "there is no pipeline 'x'"),
        (["pause"], "nothing is named"),
        (["pause", "x"], "there is no pipeline 'x'"),
        (["pause", "q"], "q has no schedules"),
        (["resume", "--schedule", "9"], "there is no schedule 9"),
        (["resume", "q", "--schedule", "1"], "there is no schedule 1 of q"),
    ],
)
@pytest.mark.usefixtures("applied")
def test_what_is_not_there_is_said_in_a_line(
    tidemill: Tidemill, arguments: list[str], said: str
) -> None:
    done = tidemill(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
