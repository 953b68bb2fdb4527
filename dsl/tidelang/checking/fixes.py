"""How a value of a wrong type is usually put right."""

from __future__ import annotations

from tidelang.definition import Type
from tidelang.diagnostics import Fix
from tidelang.syntax import Expression, Literal, String
from tidelang.types import inner
from tidelang.values import parse_duration, parse_size

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


def conversion(node: Expression, actual: Type, wanted: Type) -> Fix | None:
    """The fix, where one is likely enough to be named."""
    text = node.span.text
    if isinstance(node, Literal) and actual.name in ("int", "float"):
        return _from_number(node, text, wanted)
    if isinstance(node, String) and node.plain is not None:
        return _from_text(node, node.plain, wanted)
    if wanted.name == "string" and actual.name == "list":
        return Fix("join its items", node.span, f'join({text}, " ")')
    if wanted.name == "string" and actual.name in ("duration", "size", "bool"):
        return Fix("make it a string", node.span, f'"{{{{ {text} }}}}"')
    return _wrapped(node, actual, wanted)


def _from_number(node: Literal, text: str, wanted: Type) -> Fix | None:
    match wanted.name:
        case "duration":
            return Fix("give it a unit", node.span, f"{text}s")
        case "size":
            return Fix("give it a unit", node.span, f"{text}MiB")
        case "string":
            return Fix("put quotes around it", node.span, f'"{text}"')
        case "bool":
            return Fix("say it in words", node.span, "true" if node.value else "false")
    return _wrapped(node, Type("int"), wanted)


def _from_text(node: String, text: str, wanted: Type) -> Fix | None:
    match wanted.name:
        case "duration" if _reads(parse_duration, text):
            return Fix("take the quotes away", node.span, text.strip())
        case "size" if _reads(parse_size, text):
            return Fix("take the quotes away", node.span, text.strip())
        case "int" if text.strip().isdecimal():
            return Fix("take the quotes away", node.span, text.strip())
        case "bool" if text.lower() in _TRUE | _FALSE:
            word = "true" if text.lower() in _TRUE else "false"
            return Fix("take the quotes away", node.span, word)
        case "float" if text.replace(".", "", 1).isdecimal():
            return Fix("take the quotes away", node.span, text.strip())
    return _wrapped(node, Type("string"), wanted)


def _reads(parse: object, text: str) -> bool:
    try:
        parse(text.strip())  # type: ignore[operator]
    except ValueError:
        return False
    return text.strip()[:1].isdigit() and not text.strip().isdecimal()


def _wrapped(node: Expression, actual: Type, wanted: Type) -> Fix | None:
    if wanted.name == "list" and inner(wanted).name in (actual.name, "any"):
        return Fix("make it a list", node.span, f"[{node.span.text}]")
    return None
