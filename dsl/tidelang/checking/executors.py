"""`executor KIND { … }`: which plugin runs a step, and its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tidelang.checking.bodies import Parts, sorted_body, values
from tidelang.checking.context import Context
from tidelang.definition import Expr
from tidelang.diagnostics import Fix
from tidelang.report import Report
from tidelang.schema import Schema, from_pydantic
from tidelang.source import Span
from tidelang.suggest import listed, nearest
from tidelang.syntax import Block, Name


class Model(Protocol):
    """A pydantic model class, as far as `schema.from_pydantic` looks at it."""


class Plugins(Protocol):
    """What the language asks about plugins, and only where a file uses one: answering
    may mean to import them."""

    def executor_kinds(self) -> tuple[str, ...]:
        """The words that may stand behind `executor`."""

    def executor_settings(self, kind: str) -> type[Model] | None:
        """The pydantic model of a kind's settings; None where any setting is taken."""

    def problem(self, kind: str) -> str | None:
        """Why the plugin that has this kind cannot be used, where that is so."""


class NoPlugins:
    """For the language alone: `local`, whose settings are then taken unseen."""

    def executor_kinds(self) -> tuple[str, ...]:
        return ("local",)

    def executor_settings(self, kind: str) -> None:
        """Nothing is known of any kind's settings."""

    def problem(self, kind: str) -> None:
        """Nothing can be wrong with what is not loaded."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """An executor as a step or `defaults` chose it."""

    kind: str
    settings: dict[str, Expr]
    schema: Schema | None
    span: Span
    unread: bool = False

    def over(self, base: Chosen | None) -> Chosen:
        """Set upon a default of the same kind, whose settings it takes over."""
        if base is None or base.kind != self.kind:
            return self
        merged = {**base.settings, **self.settings}
        return Chosen(self.kind, merged, self.schema, self.span, self.unread or base.unread)


class Executors:
    """The kinds of one compilation; each plugin is asked once."""

    def __init__(self, report: Report, plugins: Plugins) -> None:
        self._report = report
        self._plugins = plugins
        self._schemas: dict[str, Schema | None] = {}
        self._told: set[tuple[int, str]] = set()

    def choose(self, ctx: Context, block: Block | None) -> Chosen | None:
        """What an `executor` block says; None where it says nothing sensible."""
        kind = self._kind(block) if block else None
        if block is None or kind is None:
            return None
        schema = self._schema(kind) or Schema(f"executor `{kind}`", open=True)
        parts = sorted_body(ctx.report, block.body, schema)
        known = self._schema(kind)
        settings = values(ctx, parts, schema) if known else _open_values(ctx, parts)
        return Chosen(kind, settings, known, block.kind_span, parts.unread)

    def _kind(self, block: Block) -> str | None:
        label = block.labels[0] if len(block.labels) == 1 else None
        if not isinstance(label, Name):
            fix = Fix("write `executor local { … }`")
            span = block.labels[0].span if block.labels else block.kind_span
            self._report.add("T113", "`executor` takes one kind", span, "", fix)
            return None
        problem = self._plugins.problem(label.id)
        if problem is not None:
            message = f"the plugin of executor `{label.id}` cannot be used: {problem}"
            self._report.add("T502", message, label.span, "not usable")
            return None
        kinds = self._plugins.executor_kinds()
        if label.id in kinds:
            return label.id
        near = nearest(label.id, kinds)
        fix = Fix(f"there are {listed(sorted(kinds))}; others come with plugins")
        if near:
            fix = Fix(f"did you mean `{near}`?", label.span, near)
        message = f"there is no executor `{label.id}`"
        self._report.add("T501", message, label.span, "no plugin has it", fix)
        return None

    def _schema(self, kind: str) -> Schema | None:
        if kind not in self._schemas:
            model = self._plugins.executor_settings(kind)
            made = from_pydantic(f"executor `{kind}`", model) if model else None
            self._schemas[kind] = made
        return self._schemas[kind]

    def complete(self, chosen: Chosen) -> None:
        """Reports settings that must be given and are not; once for each place."""
        for field in chosen.schema.fields.values() if chosen.schema else ():
            told = (chosen.span.start, field.name)
            if not field.required or field.name in chosen.settings or chosen.unread:
                continue
            if told not in self._told:
                self._told.add(told)
                message = f"executor `{chosen.kind}` needs `{field.name}`"
                doc = f": {field.doc}" if field.doc else ""
                fix = Fix(f"add `{field.name} = …`{doc}")
                self._report.add("T211", message, chosen.span, "not given", fix)


def _open_values(ctx: Context, parts: Parts) -> dict[str, Expr]:
    return {name: ctx.check(item.value)[1] for name, item in parts.attributes.items()}
