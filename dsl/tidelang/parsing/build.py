"""What each rule of the grammar builds.

A method is named as its rule, or as the alias behind `->`; it gets what the rule's symbols
stand for, in order, tokens included, and returns a node. Lark's engine calls them as it
reads, so that no tree is built twice. What is wrong with one construct alone (an escape,
a chained comparison) is told here; what is wrong between tokens is `recovery`'s matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tidelang import syntax
from tidelang.diagnostics import Fix, Related
from tidelang.lexing import numbers
from tidelang.lexing.token import Token
from tidelang.parsing.strings import StringBuilder
from tidelang.source import Span
from tidelang.syntax import Expression

Children = list[Any]
_CONSTANT_WORDS = {"TRUE": "true", "FALSE": "false", "NULL": "null"}
_CONSTANTS = {"true": True, "false": False, "null": None}


class Builder(StringBuilder):
    """Builds the nodes of one source; `problems` holds what was wrong with them."""

    # --- lists of things ---------------------------------------------------------------

    def nothing(self, _: Children) -> tuple[()]:
        return ()

    def first(self, c: Children) -> Children:
        return c[:1]

    def next(self, c: Children) -> Children:
        """`xs x`"""
        c[0].append(c[1])
        return c[0]  # type: ignore[no-any-return]

    def more(self, c: Children) -> Children:
        """`xs , x`"""
        c[0].append(c[2])
        return c[0]  # type: ignore[no-any-return]

    def taken(self, c: Children) -> Any:
        return c[0]

    def second(self, c: Children) -> Any:
        return c[1]

    def default(self, c: Children) -> Any:
        return c

    # --- files, bodies, items ------------------------------------------------------------

    def lost(self, _: Children) -> None:
        """An item that could not be read; what holds it leaves it out."""
        return

    def file(self, c: Children) -> syntax.File:
        return syntax.File(_read(c[0]), Span(self.source, 0, len(self.source.text)))

    def body(self, c: Children) -> syntax.Body:
        return syntax.Body(_read(c[1]), Span(self.source, c[0].start, c[2].end))

    def attribute(self, c: Children) -> syntax.Attribute:
        name, value = c[0], c[2]
        source = self.source
        return syntax.Attribute(
            name.text,
            Span(source, name.start, name.end),
            value,
            Span(source, name.start, value.span.end),
        )

    def block_bare(self, c: Children) -> syntax.Block:
        return self.block([c[0], ()])

    def block_plain(self, c: Children) -> syntax.Block:
        return self.block([c[0], (), c[1]])

    def block(self, c: Children) -> syntax.Block:
        kind, labels = c[0], tuple(c[1])
        body = c[2] if len(c) > 2 else None
        end = body.span.end if body else labels[-1].span.end if labels else kind.end
        return syntax.Block(
            kind.text, self.at(kind), labels, body, Span(self.source, kind.start, end)
        )

    def import_(self, c: Children) -> syntax.Import:
        return syntax.Import(c[1], self.name(c[3:]), Span(self.source, c[0].start, c[3].end))

    def let(self, c: Children) -> syntax.Let:
        return syntax.Let(self.name(c[1:2]), c[3], Span(self.source, c[0].start, c[3].span.end))

    def param(self, c: Children) -> syntax.Param:
        return self.parameter(c[1:], c[0].start)

    def parameter(self, c: Children, start: int | None = None) -> syntax.Param:
        name = self.name(c[:1])
        annotation, default, body = _type_default_body(c[1:])
        end = _end(c)
        begin = name.span.start if start is None else start
        return syntax.Param(name, annotation, default, body, Span(self.source, begin, end))

    def output(self, c: Children) -> syntax.Output:
        annotation, value, _ = _type_default_body(c[2:])
        return syntax.Output(
            self.name(c[1:2]), annotation, value, Span(self.source, c[0].start, _end(c))
        )

    def step(self, c: Children) -> syntax.Step:
        loop = call = body = None
        for child in c[2:]:
            if isinstance(child, syntax.For):
                loop = child
            elif isinstance(child, syntax.Body):
                body = child
            else:
                call = child
        calls_pipeline, expression = call or (False, None)
        span = Span(self.source, c[0].start, _end(c))
        return syntax.Step(self.name(c[1:2]), loop, expression, calls_pipeline, body, span)

    def loop(self, c: Children) -> syntax.For:
        return syntax.For(tuple(c[1]), c[3], Span(self.source, c[0].start, c[3].span.end))

    def target(self, c: Children) -> list[syntax.Name]:
        return [self.name(c)]

    def another_name(self, c: Children) -> list[syntax.Name]:
        c[0].append(self.name(c[2:]))
        return c[0]  # type: ignore[no-any-return]

    def task_call(self, c: Children) -> tuple[bool, Expression]:
        return False, self.only_call(c[1], "a step's `=` takes a call of a task: `= name(…)`")

    def pipeline_call(self, c: Children) -> tuple[bool, Expression]:
        return True, self.only_call(c[2], "behind `= pipeline` stands a call: `other(…)`")

    def only_call(self, value: Expression, message: str) -> Expression:
        if isinstance(value, syntax.Call | syntax.Broken):
            return value
        fix = None
        if isinstance(value, syntax.Name | syntax.Member):
            end = Span(self.source, value.span.end, value.span.end)
            fix = Fix(f"write `{value.span.text}()`", end, "()")
        self.problem("T030", message, value.span, fix=fix)
        return syntax.Broken(value.span)

    def parameters(self, c: Children) -> tuple[Children, int]:
        """The parameters, and where their bracket closes."""
        return (c[1] if len(c) > 2 else []), c[-1].end

    def task(self, c: Children) -> syntax.Task:
        params: Children = []
        body, end = None, c[1].end
        for child in c[2:]:
            if isinstance(child, syntax.Body):
                body, end = child, child.span.end
            else:
                params, end = child
        span = Span(self.source, c[0].start, end)
        return syntax.Task(self.name(c[1:2]), tuple(params), body, span)

    def pipeline(self, c: Children) -> syntax.Pipeline:
        body = c[2] if len(c) > 2 else None
        return syntax.Pipeline(self.name(c[1:2]), body, Span(self.source, c[0].start, _end(c)))

    # --- types -----------------------------------------------------------------------------

    def named_type(self, c: Children) -> syntax.NamedType:
        return syntax.NamedType(c[0].text, (), None, self.at(c[0]))

    def generic_type(self, c: Children) -> syntax.NamedType:
        span = Span(self.source, c[0].start, c[3].end)
        return syntax.NamedType(c[0].text, tuple(c[2]), None, span)

    def bounded_type(self, c: Children) -> syntax.NamedType:
        dots = next(i for i, x in enumerate(c) if isinstance(x, Token) and x.type == "DOTDOT")
        low = c[2] if dots == 3 else None
        high = c[dots + 1] if len(c) - dots == 3 else None
        span = Span(self.source, c[0].start, c[-1].end)
        return syntax.NamedType(c[0].text, (), (low, high), span)

    def bound(self, c: Children) -> int | float:
        value = numbers.number(c[-1].text)
        return -value if len(c) > 1 else value

    def broken_type(self, c: Children) -> syntax.NamedType:
        """Of any type: the mistake has been told."""
        return syntax.NamedType("any", (), None, self.at(c[0]))

    def union(self, c: Children) -> syntax.UnionType:
        return syntax.UnionType((c[0],), c[0].span)

    def wider_union(self, c: Children) -> syntax.UnionType:
        return syntax.UnionType((*c[0].members, c[2]), c[0].span.to(c[2].span))

    # --- expressions -------------------------------------------------------------------------

    def name(self, c: Children) -> syntax.Name:
        token = c[0]
        return syntax.Name(token.text, Span(self.source, token.start, token.end))

    def number(self, c: Children) -> syntax.Literal:
        token = c[0]
        word = token.text
        value = int(word) if word.isdigit() else numbers.number(word)
        return syntax.Literal(value, Span(self.source, token.start, token.end))

    def constant(self, c: Children) -> syntax.Literal:
        token = c[0]
        word = _CONSTANT_WORDS[token.type]
        if token.text != word:
            fix = Fix(f"write `{word}`", self.at(token), word)
            self.problem(
                "T020", f"`{token.text}` is written `{word}` here", self.at(token), fix=fix
            )
        return syntax.Literal(_CONSTANTS[word], self.at(token))

    def duration(self, c: Children) -> syntax.DurationLiteral:
        return syntax.DurationLiteral(numbers.duration(c[0].text), self.at(c[0]))

    def size(self, c: Children) -> syntax.SizeLiteral:
        return syntax.SizeLiteral(numbers.size(c[0].text), self.at(c[0]))

    def broken(self, c: Children) -> syntax.Broken:
        return syntax.Broken(self.at(c[0]))

    def group(self, c: Children) -> Expression:
        """`( x )` is x; what is written around it counts to its place."""
        inner: Expression = c[1]
        if isinstance(inner, syntax.Name):
            return inner
        return replace(inner, span=Span(self.source, c[0].start, c[2].end))

    def list_bare(self, c: Children) -> syntax.ListExpression:
        return syntax.ListExpression((), Span(self.source, c[0].start, c[1].end))

    def list_(self, c: Children) -> syntax.ListExpression:
        return syntax.ListExpression(tuple(c[1]), Span(self.source, c[0].start, c[-1].end))

    def comprehension(self, c: Children) -> syntax.Comprehension:
        condition = c[7] if len(c) == 9 else None
        span = Span(self.source, c[0].start, c[-1].end)
        return syntax.Comprehension(c[1], tuple(c[3]), c[5], condition, span)

    def object(self, c: Children) -> syntax.ObjectExpression:
        return syntax.ObjectExpression(_read(c[1]), Span(self.source, c[0].start, c[2].end))

    def entry(self, c: Children) -> syntax.Entry:
        key = c[0]
        text = key.text if key.type == "NAME" else self.string(c).plain or ""
        return syntax.Entry(text, self.at(key), c[2])

    def member(self, c: Children) -> syntax.Member:
        value, word = c[0], c[2]
        return syntax.Member(
            value,
            word.text,
            Span(self.source, word.start, word.end),
            Span(self.source, value.span.start, word.end),
        )

    def index(self, c: Children) -> syntax.Index:
        return syntax.Index(c[0], c[2], Span(self.source, c[0].span.start, c[3].end))

    def call_bare(self, c: Children) -> syntax.Call:
        return syntax.Call(c[0], (), False, Span(self.source, c[0].span.start, c[2].end))

    def call(self, c: Children) -> syntax.Call:
        arguments = tuple(c[2])
        self.check_order(arguments)
        return syntax.Call(c[0], arguments, False, Span(self.source, c[0].span.start, c[-1].end))

    def check_order(self, arguments: Sequence[syntax.Argument]) -> None:
        named: syntax.Argument | None = None
        for argument in arguments:
            if argument.name is not None:
                named = named or argument
            elif named is not None and not isinstance(argument.value, syntax.Broken):
                self.problem(
                    "T029",
                    "an argument without a name stands before those with one",
                    argument.span,
                    related=(Related(named.span, "the first with a name"),),
                )
                return

    def positional(self, c: Children) -> syntax.Argument:
        return syntax.Argument(None, c[0], c[0].span)

    def named(self, c: Children) -> syntax.Argument:
        span = Span(self.source, c[0].start, c[2].span.end)
        return syntax.Argument(c[0].text, c[2], span)

    def unary(self, c: Children) -> syntax.Unary:
        span = Span(self.source, c[0].start, c[1].span.end)
        return syntax.Unary("-" if c[0].type == "MINUS" else "not", c[1], span)

    def binary(self, c: Children) -> syntax.Binary:
        sign = c[1]
        return self.operation(_spelling(sign), c[0], c[2], self.at(sign))

    def not_in(self, c: Children) -> syntax.Binary:
        return self.operation("not in", c[0], c[3], Span(self.source, c[1].start, c[2].end))

    def operation(
        self, operator: str, left: Expression, right: Expression, place: Span
    ) -> syntax.Binary:
        span = Span(self.source, left.span.start, right.span.end)
        return syntax.Binary(operator, left, right, place, span)

    def chained(self, c: Children) -> syntax.Broken:
        """`a < b < c`"""
        left, right = c[0], c[-1]
        span = Span(self.source, left.span.start, right.span.end)
        fix = None
        if isinstance(left, syntax.Binary):
            text = self.source.text
            middle = left.right.span
            better = f"{left.span.text} and {middle.text}{text[middle.end : right.span.end]}"
            fix = Fix(f"write `{better}`", span, better) if "\n" not in better else None
        self.problem("T021", "comparisons do not chain", span, fix=fix)
        return syntax.Broken(span)

    def conditional(self, c: Children) -> syntax.Conditional:
        span = Span(self.source, c[0].span.start, c[4].span.end)
        return syntax.Conditional(c[2], c[0], c[4], span)

    def pipe(self, c: Children) -> Expression:
        """`x | f(a)` is `f(x, a)`."""
        value, target = c[0], c[2]
        span = Span(self.source, value.span.start, target.span.end)
        first = syntax.Argument(None, value, value.span)
        if isinstance(target, syntax.Call):
            return syntax.Call(target.function, (first, *target.arguments), True, span)
        if isinstance(target, syntax.Name | syntax.Member):
            return syntax.Call(target, (first,), True, span)
        if not isinstance(target, syntax.Broken):
            self.problem("T028", "behind `|` stands a function: `x | f` or `x | f(a)`", target.span)
        return syntax.Broken(span)


def _spelling(sign: Token) -> str:
    return _MEANT.get(sign.text, sign.text)


_MEANT = {"&&": "and", "||": "or", "=": "=="}


def _read(things: Children) -> tuple[Any, ...]:
    """Those that could be read."""
    if None in things:
        return tuple(thing for thing in things if thing is not None)
    return tuple(things)


def _type_default_body(children: Children) -> tuple[Any, Any, Any]:
    """What stands behind a name: a type, a default, a body; each may be missing."""
    annotation = default = body = None
    for child in children:
        if isinstance(child, list):
            default = child[1]
        elif isinstance(child, syntax.Body):
            body = child
        else:
            annotation = child
    return annotation, default, body


def _end(children: Children) -> int:
    """Where the last child ends."""
    last = children[-1]
    if isinstance(last, Token):
        return last.end
    if isinstance(last, list):
        last = last[-1]
    if isinstance(last, tuple):
        last = last[-1]
    end: int = last.span.end
    return end
