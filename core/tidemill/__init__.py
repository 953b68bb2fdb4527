"""Tidemill: pipelines as code, on a laptop and on a fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidelang import finding

if TYPE_CHECKING:
    from tidelang.functions import Function


def _find(name: str, distribution: str) -> Function:
    """Wherever an expression is worked out, it has the functions of plugins; they are looked
    for when the first one is called."""
    from tidemill.functions import find

    return find(name, distribution)


finding.provide(_find)
