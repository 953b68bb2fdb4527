"""Reading `tidemill.toml`: a table at a time, or an array of them, each with the keys that it
may have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
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
    check_keys(f"{path}: {table}", found, names)
    return found


def read_open_table(path: Path, table: str) -> Mapping[str, Any]:
    """The same, where it is not known yet which keys it may have."""
    found = _read(path).get(table, {})
    if not isinstance(found, dict):
        raise UsageError(f"{path}: {table} is no table", f"write it as [{table}]")
    return found


def read_tables(path: Path, table: str) -> Sequence[Mapping[str, Any]]:
    """The tables of an array of tables, in their order; which keys each may have is for
    `check_keys`, once it is known what it is about.

    Raises:
        UsageError: the file cannot be read, or has something else of this name.
    """
    everything = _read(path)
    if table not in everything and nearest(table, everything) is not None:
        wrong = nearest(table, everything)
        raise UsageError(f"{path}: there is no table {wrong}", f"did you mean [[{table}]]?")
    found = everything.get(table, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise UsageError(f"{path}: {table} is no array of tables", f"write it as [[{table}]]")
    return found


def with_durations(model: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values for a plugin's model, with durations read that are written as in a `.tide` file
    (`"30s"`). What is none of that is left to the model to refuse."""
    from tidelang.models import from_pydantic  # most commands ask no plugin
    from tidelang.types import DURATION

    fields = from_pydantic("", model).fields
    return {
        name: _duration(value) if name in fields and fields[name].type == DURATION else value
        for name, value in values.items()
    }


def _duration(value: Any) -> Any:
    from tidelang.values import parse_duration

    try:
        return timedelta(milliseconds=int(parse_duration(value)))
    except (ValueError, TypeError, OverflowError):
        return value


def check_keys(where: str, found: Iterable[str], names: Iterable[str]) -> None:
    """Raises:
    UsageError: one is none of these names.
    """
    known = list(names)
    for name in found:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near}?" if near else f"it takes {', '.join(known)}"
            raise UsageError(f"{where} has no key {name}", hint)


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
