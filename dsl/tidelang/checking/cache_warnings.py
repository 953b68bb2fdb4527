"""Caches that are there in vain: one that never misses, never hits, or leaves out an
effect.

Of what a step's key is made of, only what the file shows is looked at: what its
expressions refer to. What a script reads by itself nobody sees here, which is why a
cache that looks at nothing at all is warned of."""

from __future__ import annotations

from collections.abc import Iterator

from tidelang.checking.caching import Caching
from tidelang.checking.constants import children
from tidelang.checking.context import Context
from tidelang.checking.steps import Draft
from tidelang.definition import Argv, Expr, Script
from tidelang.diagnostics import Fix

_OF_ONE_RUN = frozenset({"id", "number", "due", "started"})


def warn_of_caches(ctx: Context, drafts: list[Draft]) -> None:
    """Looks at the caches of steps whose settings are complete and without errors."""
    for draft in drafts:
        if draft.settings.cache is not None:
            _look_at(ctx, draft, draft.settings.cache)


def _look_at(ctx: Context, draft: Draft, cache: Caching) -> None:
    span = cache.span if draft.parts.block("cache") else draft.node.name.span
    references = [found for expr in _key_parts(draft, cache) for found in _references(expr)]
    of_run = next((n for _, space, n in references if space == "run" and n in _OF_ONE_RUN), None)
    if draft.settings.idempotent is False:
        fix = Fix("take `cache` out, or `idempotent = false` if a repetition does no harm")
        message = f"a hit in the cache leaves out the effect of step `{draft.name}`"
        notes = ("`idempotent = false` says that what it does matters beyond its outputs",)
        ctx.report.add("W308", message, span, "it may not be run", fix, notes=notes)
    elif of_run is not None:
        message = f"the cache of step `{draft.name}` never hits: `run.{of_run}` is another each run"
        fix = Fix(f"take `run.{of_run}` out of the step, or the cache")
        ctx.report.add("W307", message, span, "in vain", fix)
    elif not (cache.inputs or cache.max_age or any(_changes(ctx, draft, r) for r in references)):
        message = f"step `{draft.name}` would run once and never again: its cache looks at nothing"
        fix = Fix('name the files that it reads: `inputs = ["src/**"]`, or a `max_age`')
        ctx.report.add("W306", message, span, "never misses", fix)


def _key_parts(draft: Draft, cache: Caching) -> Iterator[Expr]:
    """The expressions whose values are part of the key."""
    action, settings = draft.action, draft.settings
    if isinstance(action, Script):
        yield from (variable.value for variable in action.variables)
    elif isinstance(action, Argv):
        yield from action.items
    yield from settings.env.values()
    yield from settings.executor.settings.values() if settings.executor else ()
    yield from (e for e in (settings.workdir, cache.key) if e is not None)
    yield from cache.inputs or ()


def _references(expr: Expr) -> Iterator[Expr]:
    left = [expr]
    while left:
        part = left.pop()
        if part[0] == "ref":
            yield part
        left.extend(children(part))


def _changes(ctx: Context, draft: Draft, reference: Expr) -> bool:
    """Whether what is referred to may be another in another run."""
    _, space, name = reference
    if space == "let":
        return name not in ctx.constants.values
    if space == "loop" and draft.loop is not None and name in draft.loop.names:
        return any(_changes(ctx, draft, found) for found in _references(draft.loop.items))
    return bool(space != "loop")
