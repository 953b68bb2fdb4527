"""Known slips between tokens: what was meant, how to tell it, and the tokens to read on with.

Each function looks at one kind of slip and answers only where the mended tokens fit the
grammar, which the engine is asked. They come from YAML, JSON, HCL and Python, and from
typing in a hurry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches

from tidelang.diagnostics import Diagnostic, Fix
from tidelang.lexing.token import CLOSERS, Token
from tidelang.parsing.engine import Engine
from tidelang.source import Source, Span

HEADS = {
    "let": "LET",
    "param": "PARAM",
    "pipeline": "PIPELINE",
    "step": "STEP",
    "task": "TASK",
    "import": "IMPORT",
    "output": "OUTPUT",
}
"""The words that begin a declaration."""
KEYWORDS = frozenset(HEADS.values()) | frozenset(
    ["FOR", "IN", "IF", "ELSE", "AND", "OR", "NOT", "TRUE", "FALSE", "NULL", "AS"]
)
_ELSEWHERE = {
    "var": "let", "const": "let", "val": "let", "set": "let", "local": "let",
    "job": "step", "stage": "step", "workflow": "pipeline", "dag": "pipeline",
    "include": "import", "use": "import", "from": "import", "def": "task",
    "function": "task", "func": "task", "macro": "task", "input": "param",
    "variable": "param", "parameter": "param", "arg": "param",
}  # fmt: skip
_OPERANDS = frozenset(
    [
        "NAME",
        "NUMBER",
        "STRING",
        "RAW",
        "QUOTE",
        "DURATION",
        "SIZE",
        "TRUE",
        "FALSE",
        "NULL",
        "LSQB",
        "LPAR",
        "LBRACE",
        "NOT",
        "MINUS",
    ]
)
_WORDS_HERE = {
    "IF": "a step's condition is its attribute `when = …`",
    "ELSE": "a choice between values is `a if condition else b`",
    "FOR": "a step for each value of a list is `step name for v in list { … }`",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """Where the engine stopped: before `tokens[at]`. `item` is how many states lie below
    the item that is being read."""

    source: Source
    engine: Engine
    tokens: list[Token]
    at: int
    item: int

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    @property
    def before(self) -> Token | None:
        return self.tokens[self.at - 1] if self.at else None

    @property
    def after(self) -> Token | None:
        return self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else None

    @property
    def head(self) -> Token | None:
        """The first token of the item, where it still stands for itself."""
        values = self.engine.values[self.item - 1 : self.item]
        return values[0] if values and isinstance(values[0], Token) else None

    @property
    def at_head(self) -> bool:
        """Whether the item has not begun."""
        return len(self.engine.states) == self.item

    def span(self, token: Token) -> Span:
        return Span(self.source, token.start, token.end)

    def fits(self, *types: str) -> bool:
        return self.engine.accepts_all(types)

    def gap(self) -> Span:
        """The place between the last token and this one."""
        end = self.before.end if self.before else self.token.start
        return Span(self.source, end, end)


@dataclass(frozen=True, slots=True)
class Repair:
    """Cut the stacks to `depth`, put `tokens` for those from `start` to `end`, read on at
    `start`. `gives_up`: the slip is told, but nothing sensible can be read for it."""

    diagnostic: Diagnostic
    depth: int = 0
    start: int = 0
    end: int = 0
    tokens: list[Token] = field(default_factory=list)
    gives_up: bool = False


def find(scene: Scene) -> Repair | None:
    """The repair for a slip that is known, if it is one."""
    for look in _LOOKS:
        repair = look(scene)
        if repair is not None:
            return repair
    return None


def _instead(scene: Scene, type_: str, diagnostic: Diagnostic, eats: int = 1) -> Repair:
    token = scene.token
    meant = Token(type_, token.text, token.start, token.end)
    depth = len(scene.engine.states)
    return Repair(diagnostic, depth, scene.at, scene.at + eats, [meant])


def _insert(scene: Scene, type_: str, text: str, diagnostic: Diagnostic) -> Repair:
    place = scene.gap().start
    missing = Token(type_, text, place, place)
    depth = len(scene.engine.states)
    return Repair(diagnostic, depth, scene.at, scene.at, [missing])


def _colon(scene: Scene) -> Repair | None:
    """`name: value`"""
    token, after = scene.token, scene.after
    if token.type != "COLON" or not scene.fits("EQUAL"):
        return None
    assign = after is not None and after.type == "EQUAL" and after.start == token.end
    place = Span(scene.source, token.start, after.end if assign and after else token.end)
    start = scene.before.end if scene.before else token.start
    edit = Span(scene.source, start, place.end)
    spaced = "" if scene.source.text[place.end : place.end + 1].isspace() else " "
    diagnostic = Diagnostic(
        "T010",
        f"a value is given with `=`, not with `{place.text}`",
        place,
        fix=Fix("write `=`", edit, " =" + spaced),
    )
    if after is None or after.type in ("END", "RBRACE", "$END"):
        return Repair(diagnostic, gives_up=True)
    return _instead(scene, "EQUAL", diagnostic, eats=2 if assign else 1)


def _equals(scene: Scene) -> Repair | None:
    """`==` for `=`, and `=` for `==`"""
    token = scene.token
    if token.type == "EQ" and scene.fits("EQUAL"):
        fix = Fix("write `=`", scene.span(token), "=")
        message = "`==` compares; a value is given with `=`"
        return _instead(scene, "EQUAL", Diagnostic("T011", message, scene.span(token), fix=fix))
    if token.type == "EQUAL" and scene.fits("EQ") and not scene.at_head:
        fix = Fix("write `==`", scene.span(token), "==")
        message = "`=` gives a value; values are compared with `==`"
        return _instead(scene, "EQ", Diagnostic("T012", message, scene.span(token), fix=fix))
    return None


def _misspelt(scene: Scene) -> Repair | None:
    """`pipline x for …`, `lett x = 3`, `var x = 3`"""
    head = scene.head
    if head is None or head.type != "NAME":
        return None
    near = get_close_matches(head.text.lower(), HEADS, 1, cutoff=0.7)
    word = near[0] if near else _ELSEWHERE.get(head.text.lower())
    start = scene.at
    while start and scene.tokens[start].start > head.start:
        start -= 1
    read = scene.tokens[start + 1 : scene.at + 1]
    if word is None or len(read) > 1000:
        return None
    types = (HEADS[word], *(token.type for token in read))
    if not scene.engine.accepts_all(types, scene.item):
        return None
    span = scene.span(head)
    message = f"there is no `{head.text}`"
    fix = Fix(f"write `{word}`", span, word)
    meant = Token(HEADS[word], word, head.start, head.end)
    return Repair(Diagnostic("T016", message, span, fix=fix), scene.item, start, start + 1, [meant])


def _keyword(scene: Scene) -> Repair | None:
    """A keyword where a name should stand."""
    token, before, head = scene.token, scene.before, scene.head
    if token.type in ("EQUAL", "COLON", "LBRACE") and before is not None and before is head:
        if before.type in KEYWORDS and token.type != "LBRACE":
            return Repair(_taken(scene, before, _WORDS_HERE.get(before.type)), gives_up=True)
        return None
    if token.type not in KEYWORDS or not scene.fits("NAME"):
        return None
    if not scene.at_head:
        return _instead(scene, "NAME", _taken(scene, token))
    hint = _WORDS_HERE.get(token.type)
    if scene.after is not None and scene.after.type in ("EQUAL", "COLON"):
        return Repair(_taken(scene, token, hint), gives_up=True)
    message = f"no item begins with `{token.text}`"
    fix = Fix(hint) if hint else None
    return Repair(Diagnostic("T001", message, scene.span(token), fix=fix), gives_up=True)


def _taken(scene: Scene, token: Token, hint: str | None = None) -> Diagnostic:
    return Diagnostic(
        "T015",
        f"`{token.text}` is a word of the language and cannot be a name",
        scene.span(token),
        fix=Fix(hint or f"choose another name, such as `{token.text}_`"),
    )


def _quoted_name(scene: Scene) -> Repair | None:
    """`pipeline "release" {`"""
    token = scene.token
    if token.type != "STRING" or not scene.fits("NAME") or scene.at_head:
        return None
    name = token.text.strip('"')
    span = scene.span(token)
    plain = name.isascii() and name.isidentifier()
    fix = Fix(f"write `{name}`", span, name) if plain else Fix("use letters, digits and `_` only")
    diagnostic = Diagnostic("T031", "a name is written without quotes", span, fix=fix)
    repair = _instead(scene, "NAME", diagnostic)
    repair.tokens[0].text = name
    return repair


def _hyphen(scene: Scene) -> Repair | None:
    """`step build-wheel {`, `max-parallel = 3`"""
    before, end = scene.before, scene.at
    values = scene.engine.values
    if scene.token.type != "MINUS" or before is None or not values:
        return None
    tokens = scene.tokens
    while (
        end + 1 < len(tokens)
        and tokens[end].type == "MINUS"
        and tokens[end].start == tokens[end - 1].end
        and tokens[end + 1].start == tokens[end].end
        and tokens[end + 1].text[:1].isalnum()
    ):
        end += 2
    if end == scene.at or values[-1] is not before or before.type != "NAME":
        return None
    span = Span(scene.source, before.start, tokens[end - 1].end)
    name = span.text.replace("-", "_")
    diagnostic = Diagnostic(
        "T032",
        "a name holds no `-`",
        span,
        fix=Fix(f"write `{name}`", span, name),
    )
    meant = Token("NAME", name, before.start, span.end)
    depth = len(scene.engine.states) - 1
    return Repair(diagnostic, depth, scene.at - 1, end, [meant])


def _missing_sign(scene: Scene) -> Repair | None:
    """`memory 1GiB`, `param x int`"""
    token, gap = scene.token, scene.gap()
    head = scene.head
    declares = head is not None and head.type in ("PARAM", "OUTPUT")
    if token.type in ("NAME", "STRING") and declares and scene.fits("COLON", token.type):
        fix = Fix("write `:` before the type", gap, ":")
        diagnostic = Diagnostic(
            "T009", "`:` is missing before the type", scene.span(token), fix=fix
        )
        return _insert(scene, "COLON", ":", diagnostic)
    calls = scene.after is not None and scene.after.type in ("LPAR", "DOT")
    if head is not None and head.type == "STEP" and not calls:
        return None
    if token.type in _OPERANDS and scene.fits("EQUAL", token.type):
        fix = Fix("write `=` before the value", gap, " =")
        diagnostic = Diagnostic(
            "T009", "`=` is missing before the value", scene.span(token), fix=fix
        )
        return _insert(scene, "EQUAL", "=", diagnostic)
    return None


def _missing_comma(scene: Scene) -> Repair | None:
    """`[a b]`"""
    token, gap = scene.token, scene.gap()
    if token.type in _OPERANDS and scene.fits("COMMA", token.type):
        fix = Fix("write `,` between them", gap, ",")
        diagnostic = Diagnostic("T014", "`,` is missing before this", scene.span(token), fix=fix)
        return _insert(scene, "COMMA", ",", diagnostic)
    return None


def _missing_end(scene: Scene) -> Repair | None:
    """`a = 1 b = 2`"""
    token, gap, after = scene.token, scene.gap(), scene.after
    follows = after is not None and after.type in ("EQUAL", "LBRACE", "COLON")
    if scene.head is not None and scene.head.type in ("STEP", "PIPELINE", "TASK"):
        follows = follows and scene.before is not None and scene.before.type in CLOSERS
    begins = token.text in HEADS or (token.type in ("NAME", "STRING") and follows)
    if begins and scene.fits("END", token.type):
        fix = Fix("begin a new line, or write `,` or `;` between them", gap, ";")
        diagnostic = Diagnostic(
            "T013", "two items on one line need a separator", scene.span(token), fix=fix
        )
        return _insert(scene, "END", ";", diagnostic)
    return None


_LOOKS: tuple[Callable[[Scene], Repair | None], ...] = (
    _colon,
    _equals,
    _misspelt,
    _hyphen,
    _keyword,
    _quoted_name,
    _missing_comma,
    _missing_sign,
    _missing_end,
)
