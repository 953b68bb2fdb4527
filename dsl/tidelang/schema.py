"""What a block may hold: small values that every check of a body goes through.

The language's own blocks are written in `tidelang.blocks`; `tidelang.models` makes the
same of a plugin's settings. The editor's completion and hover read them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidelang.definition import Type


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute. `default` is how the default is written, for documentation."""

    name: str
    type: Type
    doc: str
    default: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Schema:
    """A body. `title` names it in messages (`a step`). `blocks` are the kinds of blocks it
    takes, with how their labels are written; those in `many` may be repeated. `open` lets
    any attribute in. `origin` says, where a plugin has the schema, which one."""

    title: str
    fields: Mapping[str, Field] = field(default_factory=dict)
    blocks: Mapping[str, str] = field(default_factory=dict)
    many: frozenset[str] = frozenset()
    declarations: frozenset[str] = frozenset()
    open: bool = False
    origin: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.fields, *self.blocks)


class Template:
    """Marks a text setting of a plugin as a Jinja2 document, which is checked when a file
    is compiled: `message: Annotated[str, Template()] = "…"`."""

    def __repr__(self) -> str:
        return "Template()"


def schema(title: str, *fields: Field, **more: Any) -> Schema:
    """A schema from its fields."""
    return Schema(title, {field.name: field for field in fields}, **more)
