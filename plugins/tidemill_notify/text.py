"""Texts that every receiver can take."""

from __future__ import annotations


def clean(text: str) -> str:
    """Without what no service takes: halves of characters (of output that is no UTF-8), NUL."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def cut(text: str, length: int) -> str:
    """At most so many characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def one_line(text: str) -> str:
    """Safe in a header: without line breaks and other control characters, and without what
    starts an encoded word (RFC 2047), in which Python's `email` would find some."""
    line = "".join(c if c.isprintable() else " " for c in clean(text)).replace("=?", "= ?")
    return " ".join(line.split())
