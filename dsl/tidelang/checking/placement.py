"""Where a step runs and what it gets there: priority, pool, resources, labels, regions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tidelang import blocks
from tidelang.checking.bodies import Parts, no_labels, setting, sorted_body, value
from tidelang.checking.context import Context
from tidelang.checking.expect import expect, settled
from tidelang.checking.words import noun
from tidelang.definition import Type
from tidelang.diagnostics import Fix, Related
from tidelang.schema import Schema
from tidelang.source import Span
from tidelang.suggest import nearest
from tidelang.syntax import Attribute, Block, Call, Expression, ListExpression, Name, String
from tidelang.types import STRING
from tidelang.values import shown

_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_WHOLE = Type("int", low=0)
_MEANT = {
    "cpus": "cpu", "cores": "cpu", "vcpu": "cpu", "mem": "memory", "ram": "memory",
    "storage": "disk", "ephemeral_storage": "disk", "gpus": "gpu",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Placement:
    """None or empty is what is not said."""

    priority: str | None = None
    pool: str | None = None
    resources: dict[str, int | float] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    regions: tuple[str, ...] = ()

    def over(self, base: Placement) -> Placement:
        """Laid over that of `defaults`: resources and labels name by name."""
        return Placement(
            self.priority or base.priority,
            self.pool or base.pool,
            {**base.resources, **self.resources},
            {**base.labels, **self.labels},
            self.regions or base.regions,
        )


def read_placement(ctx: Context, parts: Parts, schema: Schema) -> Placement:
    """What a body says of it."""
    priority = setting(ctx, parts, schema, "priority")
    return Placement(
        priority=priority if isinstance(priority, str) else None,
        pool=_pool(ctx, parts, schema),
        resources=_resources(ctx, parts.block("resources")),
        labels=_labels(ctx, parts.block("labels")),
        regions=_regions(ctx, parts.attributes.get("regions")),
    )


def _pool(ctx: Context, parts: Parts, schema: Schema) -> str | None:
    """`pool = gpu`: a word that is the name of no value stands for itself."""
    attribute = parts.attributes.get("pool")
    if attribute is None:
        return None
    node = attribute.value
    symbol = ctx.scope.find(node.id) if isinstance(node, Name) else None
    if isinstance(node, Name) and (symbol is None or not symbol.expr):
        return node.id
    before = ctx.report.count
    pool = settled(ctx, node, value(ctx, parts, schema, "pool"), "`pool`")
    if ctx.report.count != before or not isinstance(pool, str):
        return None
    return pool if _is_name(ctx, "a pool", pool, node.span) else None


def _is_name(ctx: Context, whose: str, name: str, span: Span) -> bool:
    if _TOKEN.fullmatch(name):
        return True
    better = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")
    fix = Fix("write it so", span, f'"{better}"') if better else None
    message = f"{shown(name)} cannot be the name of {whose}"
    ctx.report.add("T221", message, span, "it has letters, digits, `_` and `-`", fix)
    return False


# --- resources and labels ----------------------------------------------------------------


def _resources(ctx: Context, block: Block | None) -> dict[str, int | float]:
    if block is None:
        return {}
    no_labels(ctx.report, block)
    parts = sorted_body(ctx.report, block.body, blocks.RESOURCES)
    given = {name: _amount(ctx, item) for name, item in parts.attributes.items()}
    return {name: amount for name, amount in given.items() if amount is not None}


def _amount(ctx: Context, item: Attribute) -> int | float | None:
    if item.name in _MEANT and item.name not in blocks.RESOURCES.fields:
        meant = _MEANT[item.name]
        fix = Fix(f"did you mean `{meant}`?", item.name_span, meant)
        message = f"`resources` calls `{item.name}` `{meant}`"
        ctx.report.add("T108", message, item.name_span, "not known", fix)
        ctx.check(item.value)
        return None
    known = blocks.RESOURCES.fields.get(item.name)
    before = ctx.report.count
    expr = expect(ctx, item.value, known.type if known else _WHOLE, f"`{item.name}`")
    found = settled(ctx, item.value, expr, f"`{item.name}`")
    if ctx.report.count != before or not isinstance(found, int | float):
        return None
    return float(found) if known and known.type.name == "float" else int(found)


def _labels(ctx: Context, block: Block | None) -> dict[str, str]:
    if block is None:
        return {}
    no_labels(ctx.report, block)
    parts = sorted_body(ctx.report, block.body, blocks.LABELS)
    given: dict[str, str] = {}
    for name, item in parts.attributes.items():
        expr = expect(ctx, item.value, STRING, f"label `{name}`")
        found = settled(ctx, item.value, expr, f"label `{name}`")
        if isinstance(found, str):
            given[name] = found
    return given


# --- regions -----------------------------------------------------------------------------


def _regions(ctx: Context, attribute: Attribute | None) -> tuple[str, ...]:
    if attribute is None:
        return ()
    node = attribute.value
    name = node.function if isinstance(node, Call) else None
    if not isinstance(node, Call) or not isinstance(name, Name) or name.id != "prefer":
        if not isinstance(name, Name) or not _misspelt(ctx, name):
            _no_preference(ctx, node)
        return ()
    if not node.arguments:
        fix = Fix('name at least one: `prefer("eu", "us")`')
        ctx.report.add("T203", "`prefer` needs the name of a region", node.span, "none", fix)
    seen: dict[str, Span] = {}
    for argument in node.arguments:
        if argument.name is not None:
            fix = Fix('write `prefer("eu", "us")`')
            ctx.report.add("T203", "`prefer` takes names of regions only", argument.span, "", fix)
            continue
        _region(ctx, argument.value, seen)
    return tuple(seen)


def _region(ctx: Context, node: Expression, seen: dict[str, Span]) -> None:
    before = ctx.report.count
    region = settled(ctx, node, expect(ctx, node, STRING, "a region"), "a region")
    if ctx.report.count != before or not isinstance(region, str):
        return
    if region in seen:
        related = (Related(seen[region], "preferred already here"),)
        message = f"region {shown(region)} stands twice"
        ctx.report.add("T222", message, node.span, "again", Fix("take it out"), related)
    elif _is_name(ctx, "a region", region, node.span):
        seen[region] = node.span


def _misspelt(ctx: Context, name: Name) -> bool:
    if not nearest(name.id, ("prefer",)):
        return False
    fix = Fix("did you mean `prefer`?", name.span, "prefer")
    message = f"`regions` takes `prefer(…)`, not `{name.id}(…)`"
    ctx.report.add("T201", message, name.span, "not `prefer`", fix)
    return True


def _no_preference(ctx: Context, node: Expression) -> None:
    before = ctx.report.count
    type, _ = ctx.check(node)  # noqa: A001
    if ctx.report.count != before:
        return
    fix = Fix('say which is preferred: `regions = prefer("eu", "us")`')
    inside = node.span.text
    if isinstance(node, ListExpression) and node.items:
        inside = ", ".join(item.span.text for item in node.items)
    if isinstance(node, ListExpression | String) and inside:
        fix = Fix("the first is preferred", node.span, f"prefer({inside})")
    message = f"`regions` takes `prefer(…)`, not {noun(type)}"
    ctx.report.add("T201", message, node.span, noun(type), fix)
