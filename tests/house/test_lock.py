"""The locks: complete, with hashes, and the same for everybody."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NAMES = ("run.lock", "dev.lock", "deploy.lock")
LOCKS = {name: (ROOT / "requirements" / name).read_text() for name in NAMES}


def entries(text: str) -> dict[str, tuple[Requirement, list[str]]]:
    """Each requirement of a lock, with its hashes."""
    found = {}
    for entry in re.sub(r"\\\n", "", re.sub(r"(?m)^\s*#.*\n", "", text)).splitlines():
        requirement, *hashes = entry.split("--hash=")
        parsed = Requirement(requirement.strip())
        found[canonicalize_name(parsed.name)] = (parsed, [h.strip() for h in hashes])
    return found


def group(name: str) -> list[Requirement]:
    """A dependency group, with those it includes."""
    found = []
    for item in PROJECT["dependency-groups"][name]:
        found += group(item["include-group"]) if isinstance(item, dict) else [Requirement(item)]
    return found


def declared() -> dict[str, list[Requirement]]:
    runtime = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    build = [Requirement(text) for text in PROJECT["build-system"]["requires"]]
    return {
        "run.lock": runtime + build,
        "dev.lock": runtime + build + group("dev"),
        "deploy.lock": runtime + group("deploy"),
    }


@pytest.mark.parametrize("name", LOCKS)
def test_every_entry_is_one_version_with_hashes(name: str) -> None:
    locked = entries(LOCKS[name])
    assert len(locked) > 15
    for requirement, hashes in locked.values():
        assert [one.operator for one in requirement.specifier] == ["=="], requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), requirement


@pytest.mark.parametrize("name", LOCKS)
def test_what_the_project_declares_is_locked_within_its_bounds(name: str) -> None:
    locked = entries(LOCKS[name])
    for wanted in declared()[name]:
        (pinned, _) = locked[canonicalize_name(wanted.name)]
        (one,) = pinned.specifier
        assert wanted.specifier.contains(one.version), f"run `make lock`: {wanted}"


def test_the_locks_agree() -> None:
    run, dev, deploy = (entries(LOCKS[name]) for name in NAMES)
    assert {name: dev[name] for name in run} == run
    assert {name: deploy[name] for name in dev if name in deploy}.items() <= dev.items()


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_host_and_no_folder(name: str) -> None:
    assert "://" not in LOCKS[name]
    lines = [line for line in LOCKS[name].splitlines() if "-c requirements/" not in line]
    assert not [line for line in lines if "/" in line or line.lstrip().startswith("-i")]


def test_the_tests_run_on_what_is_locked() -> None:
    for name, (pinned, _) in entries(LOCKS["dev.lock"]).items():
        if pinned.marker is None or pinned.marker.evaluate():
            assert pinned.specifier.contains(version(name)), f"{name}: remove .venv, run make"
