"""Reading `tidemill.toml`: a table at a time, each with the keys that it may have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tidelang.suggest import nearest
from tidemill.errors import UsageError

CONFIGURATION = "tidemill.toml"


def read_table(path: Path, table: str, names: Iterable[str]) -> Mapping[str, Any]:
    """What stands in a table; nothing where there is no such file or table.

    Raises:
        UsageError: the file cannot be read, or the table has a key that means nothing.
    """
    found = read_open_table(path, table)
    check_keys(path, table, found, names)
    return found


def read_open_table(path: Path, table: str) -> Mapping[str, Any]:
    """The same, where it is not known yet which keys it may have."""
    found = _read(path).get(table, {})
    if not isinstance(found, dict):
        raise UsageError(f"{path}: {table} is no table", f"write it as [{table}]")
    return found


def check_keys(path: Path, table: str, found: Iterable[str], names: Iterable[str]) -> None:
    """Raises:
    UsageError: one of those that were found is none of these names.
    """
    known = list(names)
    for name in found:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near}?" if near else f"it takes {', '.join(known)}"
            raise UsageError(f"{path}: {table} has no key {name}", hint)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from None
    import tomllib  # most projects have no such file, or an empty one

    try:
        return tomllib.loads(text) if text else {}
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None
