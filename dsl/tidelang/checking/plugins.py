"""Blocks whose meaning a plugin brings: `executor KIND { … }`, `notify KIND { … }`.

The plugin's settings model is asked twice: for its schema, which every setting is held
against, and at the end for its own opinion of all settings that are known.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Protocol

from tidelang import models
from tidelang.checking.bodies import Parts, sorted_body, value
from tidelang.checking.constants import EvaluationError, Unknown
from tidelang.checking.context import UNKNOWN, Context
from tidelang.checking.nested import without_blocks
from tidelang.definition import Expr
from tidelang.diagnostics import Fix, Related
from tidelang.functions import Function
from tidelang.models import Mistake, from_pydantic, mistakes
from tidelang.report import Report
from tidelang.schema import Schema
from tidelang.source import Span
from tidelang.suggest import listed, nearest
from tidelang.syntax import (
    Attribute,
    Block,
    Expression,
    ListExpression,
    Name,
    ObjectExpression,
)
from tidelang.values import Secret, Value, to_setting


class Model(Protocol):
    """A pydantic model class, as far as `tidelang.models` looks at it."""


class Plugins(Protocol):
    """What the language asks about plugins, and only where a file uses one: answering
    may mean to import them."""

    def executor_kinds(self) -> tuple[str, ...]:
        """The words that may stand behind `executor`."""

    def executor_settings(self, kind: str) -> type[Model] | None:
        """The pydantic model of a kind's settings; None where any setting is taken."""

    def executor_origin(self, kind: str) -> str:
        """The distribution that has it, with its version; empty where it is not known."""

    def problem(self, kind: str) -> str | None:
        """Why the plugin that has this executor cannot be used, where that is so."""

    def notifier_kinds(self) -> tuple[str, ...]:
        """The words that may stand behind `notify`."""

    def notifier_settings(self, kind: str) -> type[Model] | None:
        """The pydantic model of a kind's settings; None where any setting is taken."""

    def notifier_origin(self, kind: str) -> str:
        """The distribution that has it, with its version; empty where it is not known."""

    def notifier_problem(self, kind: str) -> str | None:
        """Why the plugin that has this notifier cannot be used, where that is so."""

    def function_names(self) -> tuple[str, ...]:
        """Functions that may be called beside the language's own. Asked only where a file
        calls one of another name, as are the next two."""

    def function(self, name: str) -> Function | None:
        """One of them; None where there is none of this name that can be used."""

    def function_problem(self, name: str) -> str | None:
        """Why the plugin that has this function cannot be used, where that is so."""


class NoPlugins:
    """For the language alone: `local`, whose settings are then taken unseen."""

    def executor_kinds(self) -> tuple[str, ...]:
        return ("local",)

    def executor_settings(self, kind: str) -> type[Model] | None:  # noqa: ARG002  the protocol's
        """Nothing is known of any kind's settings."""
        return None

    def executor_origin(self, kind: str) -> str:  # noqa: ARG002
        return ""

    def problem(self, kind: str) -> str | None:  # noqa: ARG002
        """Nothing can be wrong with what is not loaded."""
        return None

    def notifier_kinds(self) -> tuple[str, ...]:
        return ()

    def notifier_settings(self, kind: str) -> type[Model] | None:  # noqa: ARG002
        return None

    def notifier_origin(self, kind: str) -> str:  # noqa: ARG002
        return ""

    def notifier_problem(self, kind: str) -> str | None:  # noqa: ARG002
        return None

    def function_names(self) -> tuple[str, ...]:
        return ()

    def function(self, name: str) -> Function | None:  # noqa: ARG002
        return None

    def function_problem(self, name: str) -> str | None:  # noqa: ARG002
        return None


@dataclass(frozen=True, slots=True)
class Family:
    """One of the two things that plugins bring. `block` is the word in a file, `word` what
    such a thing is called; `unknown` the code for a kind that nobody has; `templates` whether
    settings may be Jinja2 documents."""

    block: str
    word: str
    example: str
    unknown: str
    kinds: Callable[[], tuple[str, ...]]
    settings: Callable[[str], type[Any] | None]
    origin: Callable[[str], str]
    problem: Callable[[str], str | None]
    templates: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """A kind with the settings that were given. `span` is the block's first word;
    `attributes` are where the settings stand, `own` those that stand in this very block.
    """

    kind: str
    settings: dict[str, Expr]
    schema: Schema | None
    span: Span
    unread: bool = False
    attributes: dict[str, Attribute] = field(default_factory=dict)
    own: frozenset[str] = frozenset()

    def over(self, base: Chosen | None) -> Chosen:
        """Set upon a default of the same kind, whose settings it takes over."""
        if base is None or base.kind != self.kind:
            return self
        return Chosen(
            self.kind,
            {**base.settings, **self.settings},
            self.schema,
            self.span,
            self.unread or base.unread,
            {**base.attributes, **self.attributes},
            self.own,
        )


_RULES = frozenset({"T108", "T201", "T205", "T206", "T211", "T505", "T610", "T618"})
"""The codes of what a plugin's schema rules."""
_TOLD_ELSEWHERE = frozenset({"missing", "extra_forbidden"})


class Kinds:
    """The kinds of one family in one compilation; each plugin is asked once."""

    def __init__(self, report: Report, family: Family) -> None:
        self._report = report
        self._family = family
        self._schemas: dict[str, Schema | None] = {}
        self._told: set[tuple[int, str]] = set()
        self._judged: dict[str, list[Mistake]] = {}

    def reporting(self, report: Report) -> Kinds:
        """The same, with another place to put what is found."""
        other = copy(self)
        other._report = report  # noqa: SLF001  its own kind
        return other

    def kind(self, block: Block) -> str | None:
        """The kind that a block names; None after a report."""
        family = self._family
        label = block.labels[0] if len(block.labels) == 1 else None
        if not isinstance(label, Name):
            fix = Fix(f"write `{family.example}`")
            span = block.labels[0].span if block.labels else block.kind_span
            self._report.add("T113", f"`{family.block}` takes one kind", span, "", fix)
            return None
        problem = family.problem(label.id)
        if problem is not None:
            message = f"the plugin of {family.word} `{label.id}` cannot be used: {problem}"
            self._report.add("T502", message, label.span, "not usable")
            return None
        if label.id in family.kinds():
            return label.id
        self._no_kind(label)
        return None

    def _no_kind(self, label: Name) -> None:
        family, kinds = self._family, self._family.kinds()
        near = nearest(label.id, kinds)
        fix = Fix(f"there are {listed(sorted(kinds))}; others come with plugins")
        if not kinds:
            fix = Fix(f"none is installed; a {family.word} comes with a plugin: `pip install …`")
        if near:
            fix = Fix(f"did you mean `{near}`?", label.span, near)
        message = f"there is no {family.word} `{label.id}`"
        self._report.add(family.unknown, message, label.span, "no plugin has it", fix)

    def schema(self, kind: str) -> Schema | None:
        """What the kind takes; None where that is not known."""
        if kind not in self._schemas:
            model = self._family.settings(kind)
            title = f"{self._family.word} `{kind}`"
            origin, templates = self._family.origin(kind), self._family.templates
            made = from_pydantic(title, model, origin, templates=templates) if model else None
            self._schemas[kind] = made
        return self._schemas[kind]

    def read(
        self, ctx: Context, block: Block, kind: str, more: Schema | None = None
    ) -> tuple[Chosen, Parts]:
        """The settings in a block, and all that stands there. `more` is what the language
        itself takes there."""
        known = self.schema(kind)
        schema = known or Schema(f"{self._family.word} `{kind}`", open=True)
        if more is not None:
            fields = {**schema.fields, **more.fields}
            schema = Schema(schema.title, fields, open=schema.open, origin=schema.origin)
        before = self._report.count
        body = without_blocks(ctx.report, block.body, schema)
        parts = sorted_body(ctx.report, body, schema)
        given = {n: a for n, a in parts.attributes.items() if not (more and n in more.fields)}
        settings = {name: self._setting(ctx, parts, schema, name, known) for name in given}
        chosen = Chosen(
            kind, settings, known, block.kind_span, parts.unread, given, frozenset(given)
        )
        self._say_whose(chosen, before)
        return chosen, parts

    def _setting(
        self, ctx: Context, parts: Parts, schema: Schema, name: str, known: Schema | None
    ) -> Expr:
        before = ctx.report.count
        if name in schema.fields:
            expr = value(ctx, parts, schema, name)
        else:  # nothing is known of it; where there is a model, that it is no secret
            node = parts.attributes[name].value
            expr = (ctx.check(node) if known else ctx.check_open(node))[1]
        return UNKNOWN[1] if ctx.report.errors_since(before) else expr

    # --- when all settings are known ---------------------------------------------------

    def complete(self, ctx: Context, chosen: Chosen) -> None:
        """Reports settings that must be given and are not, and what the plugin's own
        model refuses; once for each place."""
        before = self._report.count
        for each in chosen.schema.fields.values() if chosen.schema else ():
            if each.required and each.name not in chosen.settings and not chosen.unread:
                message = f"{self._family.word} `{chosen.kind}` needs `{each.name}`"
                fix = Fix(f"add `{each.name} = …`: {each.doc}" if each.doc else "add it")
                self._tell("T211", message, chosen.span, "not given", fix)
        model = self._family.settings(chosen.kind)
        if model is not None and not chosen.unread:
            for mistake in self._judge(ctx, model, chosen):
                self._refused(mistake, chosen)
        self._say_whose(chosen, before)

    def _judge(self, ctx: Context, model: type[Any], chosen: Chosen) -> list[Mistake]:
        known: dict[str, Any] = {}
        unknown: list[models.Path] = []
        for name, expr in chosen.settings.items():
            wanted = chosen.schema.fields.get(name) if chosen.schema else None
            found = _known(ctx, expr)
            if isinstance(found, Unknown) or (wanted and wanted.type.name == "template"):
                unknown.append((name,))
            else:
                known[name] = _plain(found, (name,), unknown)
        key = json.dumps([chosen.kind, known, unknown], sort_keys=True)
        if key not in self._judged:
            self._judged[key] = mistakes(model, known, unknown)
        return self._judged[key]

    def _refused(self, mistake: Mistake, chosen: Chosen) -> None:
        path = mistake.path
        if len(path) == 1 and mistake.kind in _TOLD_ELSEWHERE:
            return
        attribute = chosen.attributes.get(str(path[0])) if path else None
        title = f"{self._family.word} `{chosen.kind}`"
        if attribute is None:
            message = f"{title} refuses these settings: {mistake.message}"
            self._tell("T505", message, chosen.span, "all together")
            return
        message = f"{title} refuses `{_dotted(path)}`: {mistake.message}"
        related: tuple[Related, ...] = ()
        if attribute.name not in chosen.own:
            related = (Related(chosen.span, "used here, with what `defaults` sets"),)
        self._tell("T505", message, _span(attribute.value, path[1:]), "refused", None, related)

    def _tell(
        self,
        code: str,
        message: str,
        span: Span,
        label: str,
        fix: Fix | None = None,
        related: tuple[Related, ...] = (),
    ) -> None:
        if (span.start, message) not in self._told:
            self._told.add((span.start, message))
            self._report.add(code, message, span, label, fix, related)

    def _say_whose(self, chosen: Chosen, since: int) -> None:
        if chosen.schema is not None and chosen.schema.origin:
            whose = f"settings of {self._family.word} `{chosen.kind}` come from"
            self._report.annotate(since, _RULES, f"{whose} {chosen.schema.origin}")


def _known(ctx: Context, expr: Expr) -> Value | Unknown:
    if expr is UNKNOWN[1]:
        return Unknown("", broken=True)
    try:
        return ctx.constants.value(expr)
    except EvaluationError:
        return Unknown("")  # it is told where it is worked out


def _plain(value: Value, path: models.Path, unknown: list[models.Path]) -> Any:
    """As the plugin gets it, with something in the place of each secret."""
    if isinstance(value, Secret):
        unknown.append(path)
        return "secret"
    if isinstance(value, list):
        return [_plain(item, (*path, at), unknown) for at, item in enumerate(value)]
    if isinstance(value, dict):
        return {key: _plain(item, (*path, key), unknown) for key, item in value.items()}
    return to_setting(value)


def _dotted(path: models.Path) -> str:
    text = str(path[0])
    for part in path[1:]:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text


def _span(node: Expression, path: models.Path) -> Span:
    """Where a path leads, as far as the value is written out."""
    for part in path:
        inner: Expression | None = None
        if isinstance(node, ObjectExpression):
            inner = next((e.value for e in node.entries if e.key == part), None)
        elif isinstance(node, ListExpression) and isinstance(part, int) and part < len(node.items):
            inner = node.items[part]
        if inner is None:
            break
        node = inner
    return node.span
