"""A fleet under bad luck keeps its promises, and a story can be told again."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tidemill.testing.simulation import simulate

AGAIN = "from tidemill.testing.simulation import simulate; print(simulate(3))"


@pytest.mark.parametrize("first", range(0, 32, 8))
def test_every_promise_is_kept_whatever_happens(first: int) -> None:
    for seed in range(first, first + 8):
        report = simulate(seed)
        assert sum(report.runs.values()) > 10
        assert report.attempts > 10


def test_a_seed_tells_the_same_story_again() -> None:
    lines: tuple[list[str], list[str]] = ([], [])
    assert simulate(3, tell=lines[0].append) == simulate(3, tell=lines[1].append)
    assert lines[0] == lines[1] != []


def test_listening_changes_nothing_in_a_story() -> None:
    assert simulate(5, tell=lambda _: None) == simulate(5)


def test_a_seed_tells_the_same_story_in_another_process() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-c", AGAIN],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert told == {f"{simulate(3)}\n"}


def test_without_bad_luck_nothing_is_lost_and_nothing_given_up() -> None:
    report = simulate(1, trouble=False)
    assert report.faults == {}
    assert "lost" not in report.tasks
    assert report.tasks["succeeded"] > 20
