"""`cache { … }`: when a step need not run again."""

from __future__ import annotations

from dataclasses import dataclass

from tidelang import blocks
from tidelang.checking.bodies import no_labels, setting, sorted_body, value
from tidelang.checking.constants import EvaluationError, literal
from tidelang.checking.context import Context
from tidelang.checking.patterns import check_pattern
from tidelang.definition import Cache, Expr
from tidelang.source import Span
from tidelang.syntax import Attribute, Block, ListExpression
from tidelang.values import Duration


@dataclass(frozen=True, slots=True)
class Caching:
    """A `cache` block as a step or `defaults` wrote it; None is what it does not say."""

    span: Span
    inputs: tuple[Expr, ...] | None = None
    key: Expr | None = None
    max_age: int | None = None

    def over(self, base: Caching | None) -> Caching:
        """Laid over that of `defaults`, member by member."""
        if base is None:
            return self
        return Caching(
            self.span,
            base.inputs if self.inputs is None else self.inputs,
            base.key if self.key is None else self.key,
            base.max_age if self.max_age is None else self.max_age,
        )

    def rule(self) -> Cache:
        return Cache(self.inputs or (), self.key, self.max_age)


def read_cache(ctx: Context, block: Block | None) -> Caching | None:
    """What a `cache` block says."""
    if block is None:
        return None
    no_labels(ctx.report, block)
    parts = sorted_body(ctx.report, block.body, blocks.CACHE)
    age = setting(ctx, parts, blocks.CACHE, "max_age")
    inputs = None
    if "inputs" in parts.attributes:
        before = ctx.report.count
        expr = value(ctx, parts, blocks.CACHE, "inputs")
        inputs = (
            _inputs(ctx, parts.attributes["inputs"], expr) if before == ctx.report.count else ()
        )
    return Caching(
        block.kind_span,
        inputs,
        value(ctx, parts, blocks.CACHE, "key") if "key" in parts.attributes else None,
        int(age) if isinstance(age, Duration) else None,
    )


def _inputs(ctx: Context, attribute: Attribute, expr: Expr) -> tuple[Expr, ...]:
    """The patterns one by one, as far as it is known how many there are."""
    node = attribute.value
    if isinstance(node, ListExpression):
        for item, each in zip(node.items, expr[1], strict=True):
            check_pattern(ctx, item, each)
        return tuple(expr[1])
    try:
        known = ctx.constants.value(expr)
    except EvaluationError:
        return (expr,)
    if not isinstance(known, list):
        return (expr,)
    for each in known:
        check_pattern(ctx, node, literal(each))
    return tuple(map(literal, known))
