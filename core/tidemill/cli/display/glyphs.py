"""The characters of the live picture that are not words, and their ASCII stand-ins."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.cli import words
from tidemill.model.states import TaskState


@dataclass(frozen=True, slots=True)
class Glyphs:
    """`unicode` says whether the terminal can show more than ASCII."""

    unicode: bool

    def of(self, state: TaskState) -> str:
        look = words.LOOKS[state]
        return look.symbol if self.unicode else look.plain_symbol

    @property
    def cut(self) -> str:
        return "…" if self.unicode else "~"

    @property
    def gutter(self) -> str:
        return "│" if self.unicode else "|"

    def bar(self, width: int, share: float) -> tuple[str, str]:
        """Its full and its empty part."""
        full = int(width * share)
        signs = ("━", "─") if self.unicode else ("#", "-")
        return signs[0] * full, signs[1] * (width - full)
