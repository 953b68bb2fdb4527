"""Bodies against schemas: what does not belong there, stands twice or is missing."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidelang.checking.context import Context
from tidelang.checking.expect import expect, settled
from tidelang.checking.foreign import in_tide
from tidelang.checking.words import twice
from tidelang.definition import Expr
from tidelang.diagnostics import Fix
from tidelang.report import Report
from tidelang.schema import Schema
from tidelang.source import Span
from tidelang.suggest import listed, nearest
from tidelang.syntax import (
    Attribute,
    Block,
    Body,
    Import,
    Item,
    Let,
    Literal,
    ObjectExpression,
    Output,
    Param,
    Pipeline,
    Step,
    Task,
)
from tidelang.values import Value

_KEYWORDS: dict[type, str] = {
    Import: "import",
    Let: "let",
    Output: "output",
    Param: "param",
    Pipeline: "pipeline",
    Step: "step",
    Task: "task",
}
_HOMES = {
    "import": "at the top of a file",
    "let": "in a file or a pipeline",
    "output": "in a step",
    "param": "in a pipeline",
    "pipeline": "in a file",
    "step": "in a pipeline",
    "task": "in a file",
}


@dataclass(slots=True)
class Parts:
    """A body, sorted; only what its schema knows is in here. `unread` says that the parser
    left something out."""

    attributes: dict[str, Attribute] = field(default_factory=dict)
    blocks: dict[str, list[Block]] = field(default_factory=dict)
    declarations: list[Item] = field(default_factory=list)
    unread: bool = False

    def block(self, kind: str) -> Block | None:
        found = self.blocks.get(kind)
        return found[0] if found else None


def sorted_body(report: Report, body: Body | None, schema: Schema) -> Parts:
    """Sorts a body's items, and reports those that cannot stand there."""
    parts = Parts()
    if body is None:
        return parts
    parts.unread = report.unread_in(body.span)
    for item in body.items:
        if isinstance(item, Attribute):
            _attribute(report, item, schema, parts)
        elif isinstance(item, Block):
            _block(report, item, schema, parts)
        elif (keyword := _KEYWORDS[type(item)]) in schema.declarations:
            parts.declarations.append(item)
        else:
            _misplaced(report, keyword, item.span, schema)
    return parts


def _misplaced(report: Report, keyword: str, span: Span, schema: Schema) -> None:
    message = f"`{keyword}` cannot stand in {schema.title}"
    head = Span(span.source, span.start, span.start + len(keyword))
    home = _HOMES[keyword]
    if keyword == "step" and schema.title == "a step":
        home += ", behind the end of this step; `needs` says what it waits for"
    report.add("T111", message, head, "not here", Fix(f"it belongs {home}"))


def _attribute(report: Report, item: Attribute, schema: Schema, parts: Parts) -> None:
    name = item.name
    if name in schema.fields or (schema.open and name not in schema.blocks):
        first = parts.attributes.setdefault(name, item)
        if first is not item:
            twice(report, name, item.name_span, first.name_span, f" in {schema.title}")
    elif name in schema.blocks:
        if report.unread_in(Span(item.span.source, item.span.start, item.value.span.start)):
            return  # the parser has said what is wrong in front of its value
        message = f"`{name}` is a block, not an attribute"
        report.add("T112", message, item.name_span, "no `=` here", _as_block(item, schema))
    else:
        _unknown(report, name, item.name_span, schema, "attribute")


def _as_block(item: Attribute, schema: Schema) -> Fix:
    """How it is written as a block, with the value in it where that can be told."""
    name, value = item.name, item.value
    if isinstance(value, ObjectExpression):
        return Fix("write it without `=`", item.span, f"{name} {value.span.text}")
    if name == "retry" and isinstance(value, Literal) and type(value.value) is int:
        return Fix("say how often at most", item.span, f"retry {{ attempts = {value.span.text} }}")
    label = f" {schema.blocks[name]}" if schema.blocks[name] else ""
    return Fix(f"write `{name}{label} {{ … }}`")


def _block(report: Report, item: Block, schema: Schema, parts: Parts) -> None:
    kind = item.kind
    if kind in schema.blocks:
        found = parts.blocks.setdefault(kind, [])
        if found and kind not in schema.many:
            twice(report, kind, item.kind_span, found[0].kind_span, f" in {schema.title}")
        else:
            found.append(item)
    elif kind in schema.fields:
        message = f"`{kind}` is an attribute, not a block"
        fix = Fix(f"write `{kind} = …`")
        report.add("T112", message, item.kind_span, "a `=` is missing", fix)
    else:
        _unknown(report, kind, item.kind_span, schema, "block")


def _unknown(report: Report, name: str, span: Span, schema: Schema, form: str) -> None:
    meant = in_tide(name, schema.title)
    near = None if meant else nearest(name, schema.names)
    fix = Fix(f"{schema.title} takes {listed(schema.names, 20)}") if schema.names else None
    if meant:
        fix = Fix(f"in Tide this is written `{meant}`")
    if near:
        fix = Fix(f"did you mean `{near}`?", span, near)
    if "-" in span.text:
        report.instead("T032", span)  # without the `-` it is no better
    report.add("T108", f"{schema.title} has no {form} `{name}`", span, "not known", fix)


def no_labels(report: Report, block: Block) -> None:
    """For blocks that take none."""
    if block.labels:
        message = f"`{block.kind}` takes nothing between its name and its braces"
        report.add("T113", message, block.labels[0].span, "not here")


def values(ctx: Context, parts: Parts, schema: Schema) -> dict[str, Expr]:
    """The attributes that are given, each as its field wants it."""
    return {name: value(ctx, parts, schema, name) for name in parts.attributes}


def value(ctx: Context, parts: Parts, schema: Schema, name: str) -> Expr:
    """One attribute, as its field wants it."""
    return expect(
        ctx, parts.attributes[name].value, schema.fields[name].type, f"`{name}`", bare=True
    )


def setting(ctx: Context, parts: Parts, schema: Schema, name: str) -> Value | None:
    """One attribute that must be known before the run; None where it is not given."""
    attribute = parts.attributes.get(name)
    if attribute is None:
        return None
    return settled(ctx, attribute.value, value(ctx, parts, schema, name), f"`{name}`")
