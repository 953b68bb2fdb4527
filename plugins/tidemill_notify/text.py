"""Texts that every receiver can take."""

from __future__ import annotations


def clean(text: str) -> str:
    """Without what no service takes: halves of characters (of output that is no UTF-8), NUL."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def cut(text: str, length: int) -> str:
    """At most so many characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def one_line(text: str) -> str:
    """Without line breaks and other control characters: safe in a header."""
    return " ".join("".join(c if c.isprintable() else " " for c in clean(text)).split())
