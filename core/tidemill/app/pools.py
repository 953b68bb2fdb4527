"""What `tidemill.toml` says of pools: `[pools.NAME]`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidemill.app.configuration import CONFIGURATION, check_keys, read_open_table
from tidemill.app.purging import duration
from tidemill.errors import UsageError
from tidemill.model.pools import Pool
from tidemill.project import Project

_TABLE = "pools"
_KEYS = ("slots", "short", "reserved")


def pools(project: Project) -> Mapping[str, Pool]:
    """By name, those that something is configured of.

    Raises:
        UsageError: it makes no sense.
    """
    path = project.root / CONFIGURATION
    return {name: _pool(path, name, found) for name, found in read_open_table(path, _TABLE).items()}


def _pool(path: Path, name: str, found: Any) -> Pool:
    where = f"{path}: {_TABLE}.{name}"
    if not isinstance(found, dict):
        raise UsageError(f"{where} is no table", f"write it as [{_TABLE}.{name}]")
    check_keys(where, found, _KEYS)
    usual = Pool()
    short = duration(found["short"], f"{where}.short") if "short" in found else usual.short
    return Pool(_slots(where, found), short, _share(where, found, usual.reserved))


def _slots(where: str, found: Mapping[str, Any]) -> int | None:
    slots = found.get("slots")
    if slots is None:
        return None
    if not isinstance(slots, int) or isinstance(slots, bool) or slots < 1:
        raise UsageError(f"{where}.slots is {slots!r}", "it must be a whole number, 1 or more")
    return slots


def _share(where: str, found: Mapping[str, Any], usual: float) -> float:
    share = found.get("reserved", usual)
    if not isinstance(share, int | float) or isinstance(share, bool) or not 0 <= share <= 1:
        raise UsageError(f"{where}.reserved is {share!r}", "it must be a share from 0 to 1")
    return float(share)
