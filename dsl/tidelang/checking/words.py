"""Words and small sentences that many checks share."""

from __future__ import annotations

from tidelang.definition import Type
from tidelang.diagnostics import Related
from tidelang.report import Report
from tidelang.source import Span
from tidelang.types import inner, show

_NOUNS = {
    "string": ("a string", "strings"),
    "int": ("a whole number", "whole numbers"),
    "float": ("a number", "numbers"),
    "bool": ("true or false", "booleans"),
    "duration": ("a duration", "durations"),
    "size": ("a size", "sizes"),
    "time": ("a time", "times"),
    "file": ("a file", "files"),
    "secret": ("a secret", "secrets"),
    "text": ("a string or a secret", "strings or secrets"),
    "null": ("null", "nulls"),
    "any": ("a value", "values"),
    "list": ("a list", "lists"),
    "map": ("a map", "maps"),
    "sized": ("a string, a list or a map", "strings or lists"),
    "scalar": ("one text, number or the like", "texts or numbers"),
    "number": ("a number, a duration or a size", "numbers"),
}


def noun(type: Type) -> str:  # noqa: A002  the language's word
    """What a value of this type is, for a sentence: `a list of strings`."""
    if type.name == "enum":
        return f"one of {show(type)}"
    if type.name in ("list", "map") and inner(type).name != "any":
        return f"a {type.name} of {_plural(inner(type))}"
    return _NOUNS[type.name][0] + _bounds(type)


def _plural(type: Type) -> str:  # noqa: A002
    if type.name == "enum":
        return f"strings out of {show(type)}"
    return _NOUNS[type.name][1] + _bounds(type)


def _bounds(type: Type) -> str:  # noqa: A002
    if type.name == "duration":
        return ""
    if type.low is not None and type.high is not None:
        return f" from {type.low} to {type.high}"
    if type.low is not None:
        return f" of at least {type.low}"
    return "" if type.high is None else f" of at most {type.high}"


def twice(report: Report, key: str, span: Span, first: Span, what: str = "") -> None:
    """A key that stands twice in one place."""
    related = (Related(first, "first set here"),)
    message = f"`{key}` is set twice{what}"
    report.add("T104", message, span, "set again", related=related)
