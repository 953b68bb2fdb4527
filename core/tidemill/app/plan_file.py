"""A plan that is kept in a file until it is applied: which files it is of, and the digests by
which it is told whether they, or the database, have changed since."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tidemill.app.planning import FilePlan
from tidemill.errors import UsageError

_KIND, _VERSION = "tidemill plan", 1


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """`paths` are absolute, or relative to where the plan was made."""

    file: Path
    paths: tuple[Path, ...]
    prune: bool
    base: str
    target: str


def save_plan(file: Path, plan: FilePlan, paths: tuple[Path, ...], *, prune: bool) -> None:
    """Raises:
    UsageError: the file cannot be written.
    """
    content = {
        "kind": _KIND,
        "version": _VERSION,
        "paths": [str(path.absolute()) for path in paths],
        "prune": prune,
        "base": plan.base,
        "target": plan.target,
        "changes": [asdict(change) for change in plan.changes],
    }
    try:
        file.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None


def read_plan(file: Path) -> SavedPlan:
    """Raises:
    UsageError: it cannot be read, or is no plan.
    """
    try:
        found = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError:
        raise _no_plan(file) from None
    if not isinstance(found, dict) or found.get("kind") != _KIND:
        raise _no_plan(file)
    if found.get("version") != _VERSION:
        raise UsageError(f"{file} was made by another version of Tidemill", "make it again")
    try:
        return _saved(file, found)
    except (KeyError, TypeError):
        raise _no_plan(file) from None


def _saved(file: Path, found: dict[str, Any]) -> SavedPlan:
    paths = tuple(Path(path) for path in found["paths"])
    return SavedPlan(file, paths, bool(found["prune"]), str(found["base"]), str(found["target"]))


def _no_plan(file: Path) -> UsageError:
    return UsageError(f"{file} is no plan", "`tidemill plan FILES --out FILE` makes one")
