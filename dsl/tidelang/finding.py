"""Who knows functions that are none of the language's own.

A definition names such a function and the distribution that it is from. The language itself
knows of none: what they are in this process is answered by whoever has called `provide`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidelang.functions import Function

Find = Callable[[str, str], "Function"]
_provided: list[Find] = []


def provide(find: Find) -> None:
    """It is asked with a name and a distribution, and raises `EvaluationError` where there
    is none."""
    _provided[:] = [find]


def find(name: str, origin: str) -> Function:
    """The function that a definition names.

    Raises:
        EvaluationError: it is not there.
    """
    if _provided:
        return _provided[0](name, origin)
    from tidelang.bounds import EvaluationError

    raise EvaluationError(missing(name, origin))


def missing(name: str, origin: str) -> str:
    return f"function `{name}` of {origin} is not installed where this is worked out"
