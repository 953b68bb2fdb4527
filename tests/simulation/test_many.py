"""`python -m tidemill.testing.simulation`: many seeds, and what came of them."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from tidemill.engine.dispatch import Dispatch
from tidemill.testing.simulation.__main__ import main


def test_many_seeds_are_told_and_summed_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "report.json"
    assert main(["--seeds", "0..2", "--jobs", "2", "--report", str(file)]) == 0
    printed = capsys.readouterr().out
    report = json.loads(file.read_text())
    assert (report["seeds"], report["broken"]) == (3, {})
    assert "3 seeds: " in printed
    assert f"{sum(report['runs'].values())}\n" in printed
    assert all(f"{count}  {kind}\n" in printed for kind, count in report["faults"].items())


def test_a_broken_promise_is_shown_with_how_it_came_to_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Dispatch, "_stage_full", lambda *_: False)
    monkeypatch.setattr(Dispatch, "_run_full", lambda *_: False)
    assert main(["--seeds", "0..3", "--last", "12"]) == 1
    summary, _, story = capsys.readouterr().out.partition("how seed ")
    assert "\nBROKEN  seed " in f"\n{summary}"
    lines = story.splitlines()
    assert "may be" in lines[12]
    assert any(" begun " in line for line in lines[1:12])
    assert lines[-1].endswith(f"--seeds {lines[0].split()[0]} --tell")


def test_what_is_said_about_trouble_is_said_again_afterwards() -> None:
    log = logging.getLogger("tidemill.engine")
    assert main(["--seeds", "0"]) == 0
    assert log.isEnabledFor(logging.WARNING)


def test_a_story_can_be_told_from_its_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "2", "--tell"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("fault " in line for line in lines)
    assert "all is well" in "".join(lines)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--seeds", "5..2"], "'5..2' ends before it begins"),
        (["--seeds", "-3"], "'-3' is neither a seed (7) nor a range (0..99)"),
        (["--jobs", "0"], "'0' is no number of processes"),
    ],
)
def test_a_wrong_argument_gets_one_line(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([f"{given[0]}={given[1]}"])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
