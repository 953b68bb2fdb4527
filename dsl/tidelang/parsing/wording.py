"""What to say of a token that does not fit and that no known slip explains."""

from __future__ import annotations

from tidelang.diagnostics import Diagnostic, Fix
from tidelang.lexing.token import Token
from tidelang.parsing.repairs import KEYWORDS, Scene
from tidelang.source import Span

_USAGE = {
    "LET": "`let name = value`",
    "PARAM": "`param name: type = default`",
    "OUTPUT": "`output name: type`",
    "STEP": "`step name { … }` or `step name = task(…)`",
    "TASK": "`task name(param: type) { … }`",
    "PIPELINE": "`pipeline name { … }`",
    "IMPORT": '`import "path.tide" as name`',
    "NAME": "an item is `name = value` or `kind label { … }`",
}
_KINDS = {
    "NAME": "the name `{}`",
    "NUMBER": "the number `{}`",
    "DURATION": "the duration `{}`",
    "SIZE": "the size `{}`",
    "$END": "the end of the file",
    "UNHOLE": "the end of the hole",
}
_GOES_ON = "an expression goes on in the next line only inside `( )` or `[ ]`"
OPERATORS = frozenset(
    [
        "OR",
        "AND",
        "NOT",
        "EQ",
        "NE",
        "LT",
        "LE",
        "GT",
        "GE",
        "IN",
        "PLUS",
        "MINUS",
        "STAR",
        "SLASH",
        "PERCENT",
        "VBAR",
        "IF",
        "ELSE",
        "DOT",
    ]
)
_STRINGS = frozenset({"STRING", "RAW", "QUOTE", "TEXT", "UNQUOTE"})


def unexpected(scene: Scene, depth: int, token: Token) -> Diagnostic:
    """The mistake at this token; what lies above `depth` states is given up."""
    nothing_read = len(scene.engine.states) == depth
    if nothing_read and not scene.at_head:
        return _no_expression(scene, token)
    if scene.head is not None and scene.head.type == "IMPORT" and scene.engine.accepts("AS"):
        return _import_without_name(scene, token)
    if _awaits_else(scene, token):
        return _no_else(scene, token)
    if _ends_line(token):
        return _cut_short(scene, token)
    return Diagnostic(
        "T001",
        f"{shown(token)} does not fit here",
        scene.span(token),
        fix=_usage(scene),
        notes=(_GOES_ON,) if token.type in OPERATORS and _begins_line(scene) else (),
    )


def _begins_line(scene: Scene) -> bool:
    return scene.before is not None and scene.before.type == "END"


def shown(token: Token) -> str:
    """A token, as a reader sees it."""
    if token.type in _KINDS:
        return _KINDS[token.type].format(_short(token.text))
    if token.type in _STRINGS:
        return "this string"
    if token.type == "END":
        return "the end of the line" if token.text == "\n" else f"`{token.text}`"
    if token.type in KEYWORDS:
        return f"the word `{token.text}`"
    return f"`{_short(token.text)}`"


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _ends_line(token: Token) -> bool:
    return token.type == "$END" or (token.type == "END" and token.text == "\n")


def _place(scene: Scene, token: Token) -> Span:
    """The token's place; for a line's end, the place behind the last token."""
    if _ends_line(token) and scene.before is not None:
        return scene.gap()
    return scene.span(token)


def _usage(scene: Scene) -> Fix | None:
    head = scene.head
    if head is None:
        return Fix(_USAGE["NAME"]) if scene.at_head else None
    usage = _USAGE.get(head.type)
    if usage is None or head.type == "NAME":
        return Fix(usage) if usage else None
    return Fix(f"it is written {usage}")


def _no_expression(scene: Scene, token: Token) -> Diagnostic:
    before = scene.before
    if token.type == "UNHOLE":
        where = Span(scene.source, before.start if before else token.start, token.end)
        fix = Fix("write `\\{{` for two braces as they are")
        return Diagnostic("T022", "this hole holds no expression", where, fix=fix)
    behind = f" behind `{_short(before.text)}`" if before is not None else ""
    notes: tuple[str, ...] = ()
    if _ends_line(token):
        message = f"a value is missing{behind}"
        if before is not None and before.type != "EQUAL":
            notes = (_GOES_ON,)
    else:
        message = f"a value is missing{behind}: {shown(token)} is none"
    return Diagnostic("T022", message, _place(scene, token), label="a value goes here", notes=notes)


def _import_without_name(scene: Scene, token: Token) -> Diagnostic:
    return Diagnostic(
        "T026",
        "an import needs a name",
        _place(scene, token),
        fix=Fix("add `as` and a name", scene.gap(), " as name"),
    )


def _awaits_else(scene: Scene, token: Token) -> bool:
    """Behind a dot every word may stand, `else` too: there nothing waits for it."""
    accepts = scene.engine.accepts
    return accepts("ELSE") and not accepts("NAME") and token.type != "ELSE"


def _no_else(scene: Scene, token: Token) -> Diagnostic:
    fix = Fix("add `else` and the other value")
    if token.text in ("elif", "elsif"):
        fix = Fix("write `a if x else b if y else c`")
        message = f"there is no `{token.text}`"
        return Diagnostic("T024", message, scene.span(token), fix=fix)
    return Diagnostic("T024", "this choice has no `else`", _place(scene, token), fix=fix)


def _cut_short(scene: Scene, token: Token) -> Diagnostic:
    head = scene.head
    usage = _usage(scene)
    if head is not None and head is scene.before and head.type in KEYWORDS:
        return Diagnostic("T001", f"`{head.text}` stands alone", scene.span(head), fix=usage)
    message = f"{shown(token)} comes too early"
    return Diagnostic("T001", message, _place(scene, token), label="more goes here", fix=usage)
