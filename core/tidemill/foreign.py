"""Has expressions find the functions of plugins.

To be imported by whatever works expressions out, in any process. It costs next to nothing:
plugins are looked at when the first such function is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidelang import finding

if TYPE_CHECKING:
    from tidelang.functions import Function


def _find(name: str, distribution: str) -> Function:
    from tidemill.functions import find

    return find(name, distribution)


finding.provide(_find)
