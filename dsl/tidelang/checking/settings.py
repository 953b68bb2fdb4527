"""What both a step and `defaults` may set, and how one is laid over the other."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from tidelang import blocks
from tidelang.checking.bodies import Parts, no_labels, setting, sorted_body, value
from tidelang.checking.caching import Caching, read_cache
from tidelang.checking.context import UNKNOWN, Context
from tidelang.checking.deadlines import Due, read_deadline
from tidelang.checking.executors import Executors
from tidelang.checking.placement import Placement, read_placement
from tidelang.checking.plugins import Chosen
from tidelang.checking.words import noun
from tidelang.definition import Executor, Expr, Retry
from tidelang.diagnostics import Fix
from tidelang.schema import Schema
from tidelang.syntax import Attribute, Block
from tidelang.types import scalar
from tidelang.values import Value


@dataclass(slots=True)
class Settings:
    """Each is None or empty where nothing is said."""

    timeout: int | None = None
    workdir: Expr | None = None
    idempotent: bool | None = None
    env: dict[str, Expr] = field(default_factory=dict)
    retry: dict[str, Value] = field(default_factory=dict)
    executor: Chosen | None = None
    cache: Caching | None = None
    placement: Placement = field(default_factory=Placement)
    due: Due = field(default_factory=Due)

    def over(self, base: Settings) -> Settings:
        """These laid over the defaults: blocks member by member.

        A cache is not laid under a step that says it is not idempotent: what such a step
        is there for is its effect, which a result that is used again would leave out."""
        idempotent = base.idempotent if self.idempotent is None else self.idempotent
        cache = base.cache if idempotent is not False else None
        return Settings(
            timeout=base.timeout if self.timeout is None else self.timeout,
            workdir=base.workdir if self.workdir is None else self.workdir,
            idempotent=idempotent,
            env={**base.env, **self.env},
            retry={**base.retry, **self.retry},
            executor=self.executor.over(base.executor) if self.executor else base.executor,
            cache=self.cache.over(cache) if self.cache else cache,
            placement=self.placement.over(base.placement),
            due=self.due.over(base.due),
        )

    def retry_rule(self) -> Retry:
        on = self.retry.get("on")
        known = {f.name: self.retry[f.name] for f in fields(Retry) if f.name in self.retry}
        if isinstance(on, list):
            words = {"timed_out" if word == "timeout" else str(word) for word in on}
            known["on"] = tuple(w for w in Retry().on if w in words)  # type: ignore[assignment]
        for name in known.keys() & {"backoff", "max"}:
            known[name] = int(known[name])  # type: ignore[arg-type]
        if "factor" in known:
            known["factor"] = float(known["factor"])  # type: ignore[arg-type]
        return Retry(**known)  # type: ignore[arg-type]

    def executor_rule(self) -> Executor:
        if self.executor is None:
            return Executor()
        return Executor(self.executor.kind, tuple(sorted(self.executor.settings.items())))


def read_settings(ctx: Context, parts: Parts, schema: Schema, executors: Executors) -> Settings:
    """The settings in a body."""
    timeout = setting(ctx, parts, schema, "timeout")
    idempotent = setting(ctx, parts, schema, "idempotent")
    return Settings(
        timeout=int(timeout) if isinstance(timeout, int) else None,
        workdir=value(ctx, parts, schema, "workdir") if "workdir" in parts.attributes else None,
        idempotent=idempotent if isinstance(idempotent, bool) else None,
        env=_env(ctx, parts.block("env")),
        retry=_retry(ctx, parts.block("retry")),
        executor=executors.choose(ctx, parts.block("executor")),
        cache=read_cache(ctx, parts.block("cache")),
        placement=read_placement(ctx, parts, schema),
        due=read_deadline(ctx, parts, schema),
    )


def _retry(ctx: Context, block: Block | None) -> dict[str, Value]:
    if block is None:
        return {}
    no_labels(ctx.report, block)
    parts = sorted_body(ctx.report, block.body, blocks.RETRY)
    given = {name: setting(ctx, parts, blocks.RETRY, name) for name in parts.attributes}
    return {name: found for name, found in given.items() if found is not None}


def _env(ctx: Context, block: Block | None) -> dict[str, Expr]:
    if block is None:
        return {}
    no_labels(ctx.report, block)
    parts = sorted_body(ctx.report, block.body, blocks.ENV)
    return {name: _variable(ctx, item) for name, item in parts.attributes.items()}


def _variable(ctx: Context, item: Attribute) -> Expr:
    if item.name.startswith("TIDE_"):
        message = f"`{item.name}` cannot be set: names in TIDE_ are Tidemill's own"
        ctx.report.add("T605", message, item.name_span, "taken")
    type, expr = ctx.check_open(item.value)  # noqa: A001
    if scalar(type) or type.name == "secret":
        return expr
    inside = item.value.span
    fix = Fix("write it as JSON", inside, f"json({inside.text})")
    if type.name == "list":
        fix = Fix("join its items", inside, f'join({inside.text}, " ")')
    if type.name == "null":
        fix = Fix("write an empty string", inside, '""')
    message = f"an environment variable is one text, not {noun(type)}"
    ctx.report.add("T604", message, inside, noun(type), fix)
    return UNKNOWN[1]
