"""What is wrong with a test, not with the pipeline that it tests."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class HarnessError(Exception):
    """The test asks for what makes no sense, or leaves out what it must say: a step that is
    not mocked, a misspelt name, a secret without a value. The text says what to do."""


def unknown(what: str, name: str, names: Iterable[str]) -> HarnessError:
    """There is nothing of this name among `names`."""
    there = list(dict.fromkeys(names))
    near = get_close_matches(name, there, n=1)
    if near:
        return HarnessError(f"there is no {what} {name!r}: did you mean {near[0]!r}?")
    return HarnessError(f"there is no {what} {name!r}: there are {', '.join(there) or 'none'}")
