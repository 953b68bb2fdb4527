"""A batch of rows as one parameter: JSON that the database unfolds into a table.

So a statement stays one statement, and the same text, whatever the number of rows; the
compiled form is cached and the round trips are constant. SQLite and PostgreSQL have
different functions for it; this is the one place that knows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Subquery,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
)
from sqlalchemy.types import JSON, BigInteger, Boolean, Float, Integer, Text, TypeEngine

_TYPES: dict[type, TypeEngine[Any]] = {
    int: BigInteger(),
    float: Float(53),
    str: Text(),
    dict: JSON(),
    bool: Boolean(),
}


_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
"""`json.dumps` would make an encoder for every call."""


def unfold(dialect: str, name: str, columns: Mapping[str, type]) -> Subquery:
    """A table called `name` with these columns, from the parameter `name`, which
    `fold` makes."""
    if dialect == "postgresql":
        rows = func.jsonb_array_elements(cast(bindparam(name, type_=Text()), _jsonb()))
        value: ColumnElement[Any] = rows.table_valued("value", name=f"{name}_json").c.value
        fields = [
            cast(func.jsonb_extract_path_text(value, literal_column(f"'{i}'")), _TYPES[kind]).label(
                key
            )
            for i, (key, kind) in enumerate(columns.items())
        ]
        # True of every row. PostgreSQL takes any batch for a hundred rows, for which it would
        # rather read a whole table of some thousand; with this it expects one, and goes by
        # the table's key, whatever is stored.
        few = func.jsonb_typeof(value) == literal_column("'array'")
        return select(*fields).where(few).subquery(name)
    source = func.json_each(bindparam(name, type_=Text())).table_valued(
        column("value", JSON), name=f"{name}_json"
    )
    fields = [
        func.json_extract(
            source.c.value, literal_column(f"'$[{i}]'"), type_=_sqlite_type(kind)
        ).label(key)
        for i, (key, kind) in enumerate(columns.items())
    ]
    return select(*fields).subquery(name)


def fold(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as the parameter of `unfold`. What goes into a column of JSON must be text
    already (`as_json`): it passes through the database unread, whatever stands in it."""
    return _ENCODE(list(rows))


def as_json(value: Any) -> str | None:
    return None if value is None else _ENCODE(value)


def from_json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _jsonb() -> TypeEngine[Any]:
    from sqlalchemy.dialects.postgresql import JSONB

    return JSONB()


def _sqlite_type(kind: type) -> TypeEngine[Any]:
    if kind is dict:
        return Text()
    return Integer() if kind is int else _TYPES[kind]
