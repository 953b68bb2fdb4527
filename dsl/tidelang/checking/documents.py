"""Settings that are templates: Jinja2 documents whose names are checked like all others.

In an ordinary string the document is the text with `{{ … }}` as written, in `r"…"` the text
as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tidelang.checking.context import UNKNOWN, Context
from tidelang.definition import Expr
from tidelang.diagnostics import Fix
from tidelang.functions import FUNCTIONS
from tidelang.literals import unescape
from tidelang.scope import RUN_FIELDS, Symbol
from tidelang.source import Span
from tidelang.suggest import listed, nearest
from tidelang.syntax import Expression, Hole, String, Text

EVENT_FIELDS = ("kind", "step", "detail")
"""What a template may ask of the event that it is about: its name as in `on`, the step that
it is about (empty where it is the run), and what there is to say of it."""
_LOOP_FIELDS = (
    "index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0",
    "previtem", "nextitem", "cycle", "changed",
)  # fmt: skip
_FIELDS = {"run": tuple(RUN_FIELDS), "event": EVENT_FIELDS, "loop": _LOOP_FIELDS}
_BRACES = '{{ "{{" }}'
_ESCAPE = re.compile(r"\\(?:\{\{|u\{[^}\n\"]*\}|.)", re.DOTALL)


def document(ctx: Context, node: Expression, what: str) -> Expr:
    """The source of a template that must be written out."""
    if not isinstance(node, String):
        fix = Fix("write it here as a string; params and lets can stand in its `{{ }}`")
        message = f"{what} is a template, which must be written out"
        ctx.report.add("T506", message, node.span, "no string", fix)
        return UNKNOWN[1]
    text = _Source(node)
    before = ctx.report.count
    _check(ctx, text)
    return UNKNOWN[1] if ctx.report.errors_since(before) else ("lit", text.text)


class _Source:
    """A document's source, and where each character of it stands in the file."""

    def __init__(self, node: String) -> None:
        pieces: list[str] = []
        self._places: list[int] = []
        self._node = node
        for part in node.parts:
            piece, places = _piece(part, node)
            pieces.append(piece)
            self._places.extend(part.span.start + at for at in places)
        self.text = "".join(pieces)

    def span(self, at: int, length: int = 1) -> Span:
        if at >= len(self._places):
            return self._node.span
        start = self._places[at]
        end = self._places[min(at + length, len(self._places)) - 1] + 1
        return Span(self._node.span.source, start, max(end, start + 1))

    def word(self, word: str, since: int) -> Span:
        """Where a word stands next."""
        match = re.compile(rf"\b{re.escape(word)}\b").search(self.text, since)
        return self.span(match.start() if match else since, len(word))


def _piece(part: Text | Hole, node: String) -> tuple[str, list[int]]:
    written = part.span.text
    if isinstance(part, Hole) or part.value == written:
        return written, [*range(len(written))]
    long = node.span.text.lstrip("r").startswith('"""')
    places = (_of_long if long else _of_short)(part.value, written)
    if node.raw or "{{" not in part.value:
        return part.value, places
    out: list[str] = []
    where: list[int] = []
    at = 0
    for match in re.finditer(r"\{\{", part.value):
        out += [part.value[at : match.start()], _BRACES]
        where += [*places[at : match.start()], *[places[match.start()]] * len(_BRACES)]
        at = match.end()
    return "".join((*out, part.value[at:])), [*where, *places[at:]]


def _of_short(value: str, written: str) -> list[int]:
    places: list[int] = []
    at = 0
    for match in _ESCAPE.finditer(written):
        places += range(at, match.start())
        places += [match.start()] * len(unescape(match[0])[0])
        at = match.end()
    return [*places, *range(at, len(written))][: len(value)]


def _of_long(value: str, written: str) -> list[int]:
    """Of a text that has lost its indentation, perhaps some backslashes and its ends."""
    places: list[int] = []
    at = 1 if written.startswith("\n") and not value.startswith("\n") else 0
    at = 2 if written.startswith("\r\n") and not value.startswith("\n") else at
    for index, character in enumerate(value):
        if index == 0 or value[index - 1] == "\n":
            at += max(0, _indent(written, at) - _indent(value, index))
        found = written.find(character, at)
        at = found if found >= 0 else at
        places.append(at)
        at += 1
    return places


def _indent(text: str, at: int) -> int:
    line = text[at:].partition("\n")[0]
    return len(line) - len(line.lstrip(" \t"))


# --- names -----------------------------------------------------------------------------


def _check(ctx: Context, source: _Source) -> None:
    from tidelang import jinja  # costs more than checking a small file: only where it is used

    tree = jinja.parse(source.text)
    if isinstance(tree, jinja.SyntaxProblem):
        fix = Fix(tree.help) if tree.help else None
        span = source.span(tree.at)
        ctx.report.add("T507", f"Jinja does not understand this: {tree.message}", span, "", fix)
        return
    try:
        _Walk(ctx, source, jinja.environment()).body(tree.body, set())
    except RecursionError:
        message = "Jinja does not understand this: the template is nested too deeply"
        ctx.report.add("T507", message, source.span(0))


class _Walk:
    """Goes through a template. `names` are those that the template itself has made."""

    def __init__(self, ctx: Context, source: _Source, environment: Any) -> None:
        self._ctx = ctx
        self._source = source
        self._filters = environment.filters
        self._tests = environment.tests
        self._globals = environment.globals

    def body(self, body: list[Any], names: set[str]) -> None:
        for node in body:
            self.node(node, names)

    def node(self, node: Any, names: set[str]) -> None:
        look = _LOOKS.get(type(node).__name__)
        if look is not None:
            look(self, node, names)
            return
        for child in node.iter_child_nodes():
            self.node(child, names)

    def refused(self, node: Any, _: set[str]) -> None:
        span = self._source.span(node.lineno)
        message = "a message is one document: it has no macros and no other files"
        fix = Fix("write it out here, with `if`, `for` and `set`")
        self._ctx.report.add("T511", message, span, "not here", fix)

    # --- what makes names

    def loop(self, node: Any, names: set[str]) -> None:
        self.node(node.iter, names)
        inner = {*names, *_made(node.target), "loop"}
        if node.test is not None:
            self.node(node.test, {*inner} - {"loop"} | ({"loop"} & names))
        self.body(node.body, inner)
        self.body(node.else_, {*names})

    def assign(self, node: Any, names: set[str]) -> None:
        self.node(node.node, names)
        names.update(_made(node.target))

    def assign_block(self, node: Any, names: set[str]) -> None:
        self.body(node.body, {*names})
        if node.filter is not None:
            self.node(node.filter, names)
        names.update(_made(node.target))

    def within(self, node: Any, names: set[str]) -> None:
        for value in node.values:
            self.node(value, names)
        self.body(node.body, names.union(*map(_made, node.targets)))

    # --- what uses them

    def name(self, node: Any, names: set[str]) -> None:
        if node.name in names or node.name in ("run", "event") or node.name in self._globals:
            return
        ctx, span = self._ctx, self._source.word(node.name, node.lineno)
        symbol = ctx.scope.find(node.name)
        if node.name == "secret" or (symbol is not None and symbol.type.name == "secret"):
            self._secret(span)
            if symbol is not None:
                symbol.used = True
        elif symbol is None or symbol.kind not in ("param", "let"):
            self._no_name(node.name, span, names, symbol.kind if symbol else "")
        else:
            symbol.used = True
            if symbol.kind == "let":
                ctx.lets[symbol.name] = None

    def _secret(self, span: Span) -> None:
        fix = Fix("take it out: whoever gets the message would get the secret")
        self._ctx.report.add("T620", "a message cannot hold a secret", span, "a secret", fix)

    def _no_name(self, name: str, span: Span, names: set[str], kind: str) -> None:
        report, scope = self._ctx.report, self._ctx.scope
        if report.may_be_unread(name):
            return
        if kind:
            fix = Fix("use a field of `event` or `run`, a param or a let")
            message = f"`{name}` is a {kind}, and a message knows params and lets alone"
            report.add("T508", message, span, f"a {kind}", fix)
            return
        known = [n for n in scope.visible() if _usable(scope.find(n))]
        known = [*known, *sorted(names), "run", "event"]
        near = nearest(name, [*known, *self._globals])
        fix = Fix(f"did you mean `{near}`?", span, near) if near else Fix(f"it has {listed(known)}")
        report.add("T508", f"there is no name `{name}` in this template", span, "not known", fix)

    def member(self, node: Any, names: set[str]) -> None:
        owner, field = node.node, node.attr
        if type(owner).__name__ == "Name":
            self._field(owner.name, field, node.lineno, names)
        self.node(owner, names)

    def item(self, node: Any, names: set[str]) -> None:
        owner, key = node.node, node.arg
        if type(owner).__name__ == "Name" and isinstance(getattr(key, "value", None), str):
            self._field(owner.name, key.value, key.lineno, names)
        self.node(owner, names)
        self.node(key, names)

    def _field(self, owner: str, field: str, at: int, names: set[str]) -> None:
        known = _FIELDS.get(owner, ())
        if not known or field in known or (owner in names) != (owner == "loop"):
            return
        span = self._source.word(field, at)
        near = nearest(field, known)
        fix = Fix(f"did you mean `{near}`?", span, near) if near else Fix(f"it has {listed(known)}")
        self._ctx.report.add("T509", f"`{owner}` has no field `{field}`", span, "not there", fix)

    def filter(self, node: Any, names: set[str]) -> None:
        self._known(node, "filter", self._filters)
        self._counted(node, node.name, len(node.args) + 1)
        self._children(node, names)

    def call(self, node: Any, names: set[str]) -> None:
        if type(node.node).__name__ == "Name" and node.node.name not in names:
            self._counted(node.node, node.node.name, len(node.args), node)
        self._children(node, names)

    def _counted(self, at: Any, name: str, given: int, call: Any = None) -> None:
        """Whether a function of Tide gets as many arguments as it takes."""
        node, function = call or at, FUNCTIONS.get(name)
        if function is None or function.run is None or node.dyn_args or node.dyn_kwargs:
            return
        given += len(node.kwargs)
        if given < function.least or (given > len(function.takes) and not function.rest):
            span = self._source.word(name, at.lineno)
            fix = Fix(f"it is called as `{function.signature}`; before `|` stands the first")
            message = f"`{name}` cannot take {given} argument{'' if given == 1 else 's'}"
            self._ctx.report.add("T512", message, span, "", fix)

    def test(self, node: Any, names: set[str]) -> None:
        self._known(node, "test", self._tests)
        self._children(node, names)

    def _children(self, node: Any, names: set[str]) -> None:
        for child in node.iter_child_nodes():
            self.node(child, names)

    def _known(self, node: Any, what: str, known: dict[str, Any]) -> None:
        if node.name in known:
            return
        span = self._source.word(node.name, node.lineno)
        near = nearest(node.name, known)
        fix = Fix(f"the functions of Tide and the {what}s of Jinja are there")
        if near:
            fix = Fix(f"did you mean `{near}`?", span, near)
        self._ctx.report.add("T510", f"there is no {what} `{node.name}`", span, "not known", fix)


def _usable(symbol: Symbol | None) -> bool:
    return symbol is not None and symbol.kind in ("param", "let") and symbol.type.name != "secret"


def _made(target: Any) -> set[str]:
    """The names of what is assigned to: a name, a tuple, a member of a namespace."""
    if type(target).__name__ == "Name":
        return {target.name}
    return {name for item in getattr(target, "items", ()) for name in _made(item)}


_LOOKS: dict[str, Callable[[_Walk, Any, set[str]], None]] = {
    "Assign": _Walk.assign,
    "Call": _Walk.call,
    "AssignBlock": _Walk.assign_block,
    "Filter": _Walk.filter,
    "For": _Walk.loop,
    "Getattr": _Walk.member,
    "Getitem": _Walk.item,
    "Name": _Walk.name,
    "Test": _Walk.test,
    "With": _Walk.within,
    **dict.fromkeys(
        (
            "Block", "CallBlock", "Extends", "FromImport", "Import", "Include", "Macro",
            "ScopedEvalContextModifier",
        ),
        _Walk.refused,
    ),
}  # fmt: skip
"""By the name of a node's class: Jinja is not imported where it is not used."""
