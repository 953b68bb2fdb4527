"""Patterns for files, as far as they can be judged without looking at any file."""

from __future__ import annotations


def glob_problem(pattern: str) -> str | None:
    """What is wrong with a pattern, as the end of a sentence; None where nothing is."""
    if not pattern.strip():
        return "is empty"
    if pattern.startswith("/"):
        return "starts at the root of the machine"
    if _leaves(pattern):
        return "leads out of the folder it starts in"
    if _unclosed(pattern):
        return "has a `[` without its `]`"
    return "holds a NUL" if "\0" in pattern else None


def _leaves(pattern: str) -> bool:
    depth = 0
    for part in pattern.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return True
    return False


def _unclosed(pattern: str) -> bool:
    """Whether a set of characters is not closed. Right behind its start (`[` or `[!`) a
    `]` is one of the characters."""
    at = pattern.find("[")
    while at >= 0:
        first = at + 2 if pattern.startswith("!", at + 1) else at + 1
        end = pattern.find("]", first + 1)
        if end < 0:
            return True
        at = pattern.find("[", end)
    return False
