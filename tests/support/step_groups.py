"""The control groups of steps on this machine, for tests that need some."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tidemill_local import control_groups
from tidemill_local.warden import group

NEEDED = {"memory", "pids", "cpu"}


def require() -> None:
    """Leaves a test out on a user's machine that has none; not where all must run."""
    roots = map(control_groups.enable, control_groups.find())
    had = frozenset[str]().union(*(root.controllers for root in roots))
    if missing := NEEDED - had:
        why = f"this user may make no control groups with {', '.join(sorted(missing))}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


def groups(owner: str = "") -> list[Path]:
    """Those that are there: of one executor, by its folder's name, or of all."""
    pattern = f"{group.PREFIX}{owner}*"
    return [path for root in control_groups.find() for path in root.folder.glob(pattern)]
