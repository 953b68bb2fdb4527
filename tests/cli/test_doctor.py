"""`tidemill doctor` says what observers of events have missed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from distributions import install

from tidemill.app.fleet import writing_store
from tidemill.model.rows import ObserverRow
from tidemill.ports import Transaction
from tidemill.project import Project

Tidemill = Callable[..., subprocess.CompletedProcess[str]]

AUDIT = """
    from tidemill.spi import hookimpl
    TIDEMILL_SPI = 1

    @hookimpl
    def tidemill_event(event): pass
"""


@pytest.fixture
def environment(tmp_path: Path, clean_environment: dict[str, str]) -> dict[str, str]:
    """In which two observers are installed."""
    site = tmp_path / "site"
    site.mkdir()
    install(site, "tide-audit", AUDIT)
    install(site, "tide-other", AUDIT)
    path = f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    return {**clean_environment, "PYTHONPATH": path}


def passes_over(folder: Path, plugin: str, count: int) -> None:
    def work(tx: Transaction) -> None:
        tx.add_observer(plugin, 0)
        row = tx.observer(plugin)
        assert isinstance(row, ObserverRow)
        assert tx.move_observer(row, row._replace(passed_over=row.passed_over + count))

    writing_store(Project(folder)).transact_now(work)


def test_what_an_observer_missed_is_a_note_that_says_what_to_do(
    tidemill: Tidemill, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "p.tide").write_text('pipeline p { step s { run = "true" } }')
    assert tidemill("run", "p.tide", env=environment).returncode == 0

    def notes() -> list[dict[str, str]]:
        done = tidemill("doctor", "--json", env=environment)
        assert done.returncode == 0, "no run stumbles over it"
        return [check for check in json.loads(done.stdout) if check["name"] == "observer"]

    passes_over(tmp_path, "tide-other:tide_other", 0)
    assert notes() == []
    passes_over(tmp_path, "tide-audit:tide_audit", 1)
    (note,) = notes()
    assert note["ok"] is None
    assert note["detail"] == (
        "plugin tide_audit of tide-audit 1.2 failed with an event too often, and was told of "
        "what came behind"
    )
    passes_over(tmp_path, "tide-audit:tide_audit", 2)
    shown = tidemill("doctor", env=environment).stdout
    assert "note   observer" in shown
    assert "failed with 3 events too often" in shown
    assert "help: mend it: the log of the schedulers has each, with the error" in shown


def test_without_a_database_or_observers_there_is_nothing_to_say(
    tidemill: Tidemill,
    environment: dict[str, str],
    clean_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    for env in (environment, clean_environment):
        assert " observer " not in tidemill("doctor", env=env).stdout
        assert not (tmp_path / ".tidemill").exists(), "a look makes no database"
