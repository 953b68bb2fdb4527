"""Blocks within a plugin's block: another way to write a setting that is an object.

`registry { username = "ci" }` is `registry = { username = "ci" }`. Where the setting is a
map of objects, each of them is a block with its name: `service db { … }` and
`service cache { … }` are `service = { db = { … }, cache = { … } }`. They are rewritten so
before anything is checked; what their values must be is then checked in one place.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidelang.checking.bodies import no_labels, sorted_body
from tidelang.definition import Type
from tidelang.diagnostics import Fix
from tidelang.report import Report
from tidelang.schema import Field, Schema
from tidelang.source import Span
from tidelang.syntax import (
    Attribute,
    Block,
    Body,
    Entry,
    Expression,
    Item,
    Name,
    ObjectExpression,
    String,
)
from tidelang.types import Struct, inner


def without_blocks(report: Report, body: Body | None, schema: Schema) -> Body | None:
    """The body with those blocks as attributes that stand for settings which are objects."""
    if body is None:
        return None
    items: list[Item] = []
    blocks: dict[str, list[Block]] = {}
    for item in body.items:
        wanted = schema.fields.get(item.kind) if isinstance(item, Block) else None
        if wanted is None or wanted.type.name != "map" or not isinstance(item, Block):
            items.append(item)
        elif is_labelled(wanted.type):
            blocks.setdefault(item.kind, []).append(item)
        else:
            no_labels(report, item)
            items.append(_attribute(item, _object(report, item, wanted.type)))
    for kind, found in blocks.items():
        items.append(_attribute(found[0], _named(report, found, schema.fields[kind].type)))
    return Body(tuple(items), body.span)


def is_labelled(type: Type) -> bool:  # noqa: A002  the language's word
    """Whether each of its members is a block of its own."""
    return type.name == "map" and not isinstance(type, Struct) and inner(type).name == "map"


def _attribute(block: Block, value: Expression) -> Attribute:
    return Attribute(block.kind, block.kind_span, value, block.span)


def _named(report: Report, blocks: list[Block], wanted: Type) -> ObjectExpression:
    entries = []
    for block in blocks:
        value = _object(report, block, inner(wanted))
        if (label := _label(report, block)) is not None:
            entries.append(Entry(*label, value))
    return ObjectExpression(tuple(entries), blocks[0].span)


def _label(report: Report, block: Block) -> tuple[str, Span] | None:
    """The one name of a block; None after a report."""
    label = block.labels[0] if len(block.labels) == 1 else None
    name = label.id if isinstance(label, Name) else None
    if isinstance(label, String):
        name = label.plain
    if label is not None and name:
        return name, label.span
    span = block.labels[-1].span if block.labels else block.kind_span
    fix = Fix(f"write `{block.kind} NAME {{ … }}`")
    report.add("T113", f"`{block.kind}` takes one name before its braces", span, "", fix)
    return None


def _object(report: Report, block: Block, wanted: Type) -> ObjectExpression:
    fields: Mapping[str, Field] = {}
    if isinstance(wanted, Struct):
        fields = {name: Field(name, type, "") for name, type in wanted.fields}  # noqa: A001
    is_open = not isinstance(wanted, Struct) or wanted.open
    schema = Schema(f"`{block.kind}`", fields, open=is_open)
    parts = sorted_body(report, without_blocks(report, block.body, schema), schema)
    found = parts.attributes.values()
    return ObjectExpression(tuple(Entry(a.name, a.name_span, a.value) for a in found), block.span)
