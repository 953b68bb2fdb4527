"""The syntax tree: what a file says, before anyone asks whether it makes sense.

Three forms make up every body: an attribute `name = expression`, a block
`kind label… { … }`, and a declaration. Every node knows its span.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidelang.source import Span

# --- expressions -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Literal:
    """`true`, `false`, `null`, or a number."""

    value: bool | int | float | None
    span: Span


@dataclass(frozen=True, slots=True)
class DurationLiteral:
    milliseconds: int
    span: Span


@dataclass(frozen=True, slots=True)
class SizeLiteral:
    bytes: int
    span: Span


@dataclass(frozen=True, slots=True)
class Text:
    """A literal stretch of a string. `value` has its escapes resolved and, in a `\"\"\"`
    string, its common indentation gone; `span` is where it stands in the source."""

    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class Hole:
    """`{{ expression }}` in a string; the span includes the braces."""

    expression: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class String:
    """A string: stretches of text and holes, in order. A plain one has no hole, an
    empty one no parts. `raw` strings (`r"…"`) never have holes."""

    parts: tuple[Text | Hole, ...]
    raw: bool
    span: Span

    @property
    def plain(self) -> str | None:
        """Its value, where it has no holes."""
        if any(isinstance(part, Hole) for part in self.parts):
            return None
        return "".join(part.value for part in self.parts if isinstance(part, Text))


@dataclass(frozen=True, slots=True)
class Name:
    id: str
    span: Span


@dataclass(frozen=True, slots=True)
class Member:
    """`value.name`"""

    value: Expression
    name: str
    name_span: Span
    span: Span


@dataclass(frozen=True, slots=True)
class Index:
    """`value[index]`"""

    value: Expression
    index: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call; `name` is None for a positional one."""

    name: str | None
    value: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    """`f(a, b = c)`. `x | f(a)` is the call `f(x, a)` with `piped` set; `x | f` too."""

    function: Expression
    arguments: tuple[Argument, ...]
    piped: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Unary:
    """`not x`, `-x`; `operator` is `"not"` or `"-"`."""

    operator: str
    operand: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Binary:
    """`operator`: one of `or and == != < <= > >= in`, `not in`, `+ - * / %`."""

    operator: str
    left: Expression
    right: Expression
    operator_span: Span
    span: Span


@dataclass(frozen=True, slots=True)
class Conditional:
    """`then if condition else otherwise`"""

    condition: Expression
    then: Expression
    otherwise: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class ListExpression:
    items: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Entry:
    """`key = value` in an object."""

    key: str
    key_span: Span
    value: Expression


@dataclass(frozen=True, slots=True)
class ObjectExpression:
    entries: tuple[Entry, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Comprehension:
    """`[element for targets in iterable if condition]`"""

    element: Expression
    targets: tuple[Name, ...]
    iterable: Expression
    condition: Expression | None
    span: Span


@dataclass(frozen=True, slots=True)
class Broken:
    """Stands where an expression could not be read; the parser has said why. The
    checker treats it as of any type and stays silent about it."""

    span: Span


Expression = (
    Literal
    | DurationLiteral
    | SizeLiteral
    | String
    | Name
    | Member
    | Index
    | Call
    | Unary
    | Binary
    | Conditional
    | ListExpression
    | ObjectExpression
    | Comprehension
    | Broken
)

# --- types -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NamedType:
    """`string`, `list(int)`, `map(string)`; `int(1..16)` has `bounds`."""

    name: str
    arguments: tuple[TypeExpression, ...]
    bounds: tuple[int | float | None, int | float | None] | None
    span: Span


@dataclass(frozen=True, slots=True)
class UnionType:
    """`"staging" | "production"`: string literals, in order."""

    members: tuple[String, ...]
    span: Span


TypeExpression = NamedType | UnionType

# --- items -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Body:
    items: tuple[Item, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Attribute:
    """`name = value`"""

    name: str
    name_span: Span
    value: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Block:
    """`kind label… { … }`; `body` is None where the braces were left out. Labels are
    expressions: names (`executor docker`), strings (`schedule "0 2 * * *"`),
    durations (`schedule 15m`)."""

    kind: str
    kind_span: Span
    labels: tuple[Expression, ...]
    body: Body | None
    span: Span


@dataclass(frozen=True, slots=True)
class Import:
    """`import "path" as alias`"""

    path: String
    alias: Name
    span: Span


@dataclass(frozen=True, slots=True)
class Let:
    """`let name = value`"""

    name: Name
    value: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Param:
    """`param name: type = default`, with an optional body (`{ description = "…" }`)."""

    name: Name
    type: TypeExpression | None
    default: Expression | None
    body: Body | None
    span: Span


@dataclass(frozen=True, slots=True)
class Output:
    """`output name: type`, and for files `= "glob"`."""

    name: Name
    type: TypeExpression | None
    value: Expression | None
    span: Span


@dataclass(frozen=True, slots=True)
class For:
    """`for a in xs` or `for (a, b) in pairs`"""

    targets: tuple[Name, ...]
    iterable: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Step:
    """`step name [for …] [= call] [{ … }]`; `call` is what stands behind `=`, a `Call`
    of a task, or of `pipeline` as in `= pipeline other(args)` with `calls_pipeline` set."""

    name: Name
    loop: For | None
    call: Expression | None
    calls_pipeline: bool
    body: Body | None
    span: Span


@dataclass(frozen=True, slots=True)
class Task:
    """`task name(params) { … }`"""

    name: Name
    params: tuple[Param, ...]
    body: Body | None
    span: Span


@dataclass(frozen=True, slots=True)
class Pipeline:
    name: Name
    body: Body | None
    span: Span


Item = Attribute | Block | Import | Let | Param | Output | Step | Task | Pipeline


@dataclass(frozen=True, slots=True)
class File:
    """A whole file. Items that could not be read are missing; the parser said why."""

    items: tuple[Item, ...]
    span: Span
