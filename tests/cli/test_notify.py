"""`tidemill run --notify`, `tidemill notify` and `tidemill up` tell people, by a notifier of an
installed plugin, as real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from distributions import install

Tidemill = Callable[..., subprocess.CompletedProcess[str]]

PIGEON = """
    import os, pathlib
    from typing import Annotated
    from pydantic import BaseModel, SecretStr
    from tidemill.spi import NotifierType, NotifyError, Template, hookimpl
    TIDEMILL_SPI = 1

    TEMPLATE = "{{ run.pipeline }} {{ event.kind }} {{ event.detail }}"

    class Settings(BaseModel, extra="forbid"):
        loft: str
        key: SecretStr | None = None
        message: Annotated[str, Template()] = TEMPLATE

    class Pigeon:
        async def send(self, notice, settings):
            loft = pathlib.Path(settings.loft)
            if not loft.parent.exists():
                key = settings.key.get_secret_value() if settings.key else ""
                raise NotifyError(f"there is no {loft.parent} {key}", permanent=True)
            with loft.open("a") as file:
                file.write(f"{settings.message}\\n")
        async def close(self): pass

    @hookimpl
    def tidemill_notifiers():
        return [NotifierType("pigeon", Settings, Pigeon)]
"""

FILE = """
pipeline p {
  param code: int = 0
  step build { run = "exit {{ code }}" }
  notify pigeon { on = [succeeded, failed, recovered], loft = "LOFT" }
}
"""


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    install(folder, "tide-pigeon", PIGEON)
    return folder


@pytest.fixture
def loft(tmp_path: Path) -> Path:
    (tmp_path / "p.tide").write_text(FILE.replace("LOFT", str(tmp_path / "loft")))
    return tmp_path / "loft"


def lines(loft: Path) -> list[str]:
    return loft.read_text().splitlines() if loft.exists() else []


def test_a_run_on_this_machine_tells_people_when_it_is_asked_to(
    tidemill: Tidemill, loft: Path
) -> None:
    assert tidemill("run", "p.tide").returncode == 0
    assert lines(loft) == []
    assert tidemill("run", "p.tide", "--notify", "-p", "code=3").returncode == 1
    assert lines(loft) == ["p failed build failed (exit code 3)"]
    assert tidemill("run", "p.tide", "--notify").returncode == 0
    assert lines(loft)[1:] == ["p succeeded ", "p recovered "]


def test_what_nobody_got_is_said_listed_and_shown_by_doctor(tidemill: Tidemill, loft: Path) -> None:
    file = loft.parent / "p.tide"
    file.write_text(
        FILE.replace("LOFT", str(loft.parent / "gone" / "loft")).replace(
            "loft =", 'key = secret("KEY"), loft ='
        )
    )
    env = {**os.environ, "KEY": "hunter2-hunter2"}
    done = tidemill("run", "p.tide", "--notify", env=env)
    assert done.returncode == 0, "the run succeeded, whoever knows of it"
    assert "warning: notify pigeon could not tell of succeeded: there is no" in done.stderr
    (notice,) = json.loads(tidemill("notify", "list", "--json").stdout)
    assert (notice["run"], notice["event"], notice["due_at"]) == (1, "succeeded", None)
    assert notice["error"].endswith("***")
    assert "given up" in tidemill("notify", "list").stdout
    doctor = tidemill("doctor").stdout
    assert "1 given up; the last, succeeded of run 1" in doctor
    everywhere = [path.read_bytes() for path in loft.parent.rglob("*") if path.is_file()]
    assert not any(b"hunter2" in content for content in everywhere)
    assert tidemill("notify", "retry", "7").returncode == 2
    again = tidemill("notify", "retry")
    assert again.stdout == "1 notice will be sent once more\n"


def test_a_secret_of_a_notifier_that_is_not_there_is_said(tidemill: Tidemill, loft: Path) -> None:
    file = loft.parent / "p.tide"
    file.write_text(file.read_text().replace("loft =", 'key = secret("KEY"), loft ='))
    done = tidemill("run", "p.tide", "--notify")
    assert done.returncode == 2
    assert "secret KEY is not set" in done.stderr
    assert tidemill("run", "p.tide").returncode == 0, "nobody is to be told"


def test_notify_test_sends_a_message_by_each_block(tidemill: Tidemill, loft: Path) -> None:
    done = tidemill("notify", "test", "p.tide")
    assert (done.returncode, done.stdout) == (0, "notify pigeon: taken\n")
    assert lines(loft) == ["p test This is a test: `tidemill notify test` has sent it."]


@pytest.mark.parametrize(
    ("change", "arguments", "code", "said"),
    [
        (("loft", "lofts"), (), 1, "error[T"),
        (("notify pigeon", "notify crow"), (), 1, "crow"),
        (("LOFT", "/nowhere/at/all"), (), 3, "there is no /nowhere/at"),
        (("{ on", '{ message = "{{ 1 / param }}", on'), (), 1, "error[T"),
        (("{ on", '{ message = "{{ 1 / code }}", on'), (), 3, "division by zero"),
        (("LOFT", "x"), ("crow",), 2, "has no `notify crow`"),
    ],
)
def test_notify_test_says_what_is_wrong(
    tidemill: Tidemill,
    tmp_path: Path,
    change: tuple[str, str],
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    (tmp_path / "p.tide").write_text(FILE.replace(*change))
    done = tidemill("notify", "test", "p.tide", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_runs_of_up_tell_people(
    tidemill: Tidemill, loft: Path, clean_environment: dict[str, str]
) -> None:
    up = subprocess.Popen(
        [sys.executable, "-m", "tidemill.cli", "up"],
        cwd=loft.parent,
        env=clean_environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert tidemill("apply", "p.tide").returncode == 0
        assert tidemill("trigger", "p", "-p", "code=4").returncode == 0
        until = time.monotonic() + 40
        while not lines(loft) and time.monotonic() < until:
            time.sleep(0.05)
        assert lines(loft) == ["p failed build failed (exit code 4)"]
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(20)
