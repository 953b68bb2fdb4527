"""`tidemill plugins` says what is installed, and what is wrong with it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from distributions import install

Tidemill = Callable[..., subprocess.CompletedProcess[str]]

PODMAN = """
    from pydantic import BaseModel, Field, SecretStr
    from tidemill.spi import ExecutorType, hookimpl
    TIDEMILL_SPI = 1

    class Settings(BaseModel, extra="forbid"):
        image: str = Field(description="What it is made of.")
        keep: bool = False
        token: SecretStr | None = None

    @hookimpl
    def tidemill_executors():
        return [ExecutorType("podman", Settings, lambda context: None, "Runs steps in pods.")]
"""


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of distributions that Python looks through as well."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    return folder


def test_each_is_listed_with_where_it_is_from(tidemill: Tidemill, site: Path) -> None:
    install(site, "tide-podman", PODMAN)
    done = tidemill("plugins")
    assert done.returncode == 0
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("podman")]
    assert line.split() == [
        "podman",
        "executor",
        "tide-podman",
        "1.2",
        "ok",
        *["Runs", "steps", "in", "pods."],
    ]
    assert any(line.startswith("local ") for line in done.stdout.splitlines())


def test_its_settings_are_said_as_a_file_writes_them(tidemill: Tidemill, site: Path) -> None:
    install(site, "tide-podman", PODMAN)
    lines = [line.split() for line in tidemill("plugins", "podman").stdout.splitlines()]
    assert ["image", "string", "required", "What", "it", "is", "made", "of."] in lines
    assert ["keep", "bool", "false"] in lines
    assert ["token", "secret"] in lines
    (found,) = json.loads(tidemill("plugins", "podman", "--json").stdout)
    assert [setting["name"] for setting in found["settings"]] == ["image", "keep", "token"]


def test_one_that_fails_is_named_and_fails_the_command(tidemill: Tidemill, site: Path) -> None:
    install(site, "tide-broken", "raise RuntimeError('no such luck')")
    done = tidemill("plugins")
    assert done.returncode == 3
    assert "tide-broken 1.2  failed  RuntimeError: no such luck" in done.stdout
    assert tidemill("plugins", "local").returncode == 0, "others are not affected"


def test_two_that_claim_one_kind_are_both_named(tidemill: Tidemill, site: Path) -> None:
    install(site, "tide-one", PODMAN)
    install(site, "tide-two", PODMAN)
    done = tidemill("plugins", "podman")
    assert done.returncode == 3
    said = "executor podman is claimed by tide-one 1.2 and tide-two 1.2: uninstall one of them"
    assert done.stdout.count(said) == 2


def test_a_kind_that_nobody_offers_is_told(tidemill: Tidemill) -> None:
    done = tidemill("plugins", "locl")
    assert done.returncode == 2
    assert "no plugin offers locl. Did you mean 'local'?" in done.stderr
    (kinds,) = [line for line in done.stderr.splitlines() if line.startswith("help: there are: ")]
    named = kinds.removeprefix("help: there are: ").split(", ")
    assert named == sorted(named)
    assert {"docker", "local", "slack", "s3", "env"} <= set(named)
