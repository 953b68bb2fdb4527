"""Colours for a terminal, or none."""

from __future__ import annotations

from dataclasses import dataclass

from tidelang.diagnostics import Severity


@dataclass(frozen=True, slots=True)
class Style:
    """How the parts of a diagnostic look; `color` off leaves the text alone."""

    color: bool
    severity: Severity = Severity.ERROR

    def main(self, text: str) -> str:
        """The mistake itself."""
        return self._paint("1;33" if self.severity is Severity.WARNING else "1;31", text)

    def bold(self, text: str) -> str:
        return self._paint("1", text)

    def frame(self, text: str) -> str:
        """Line numbers, bars, and what is related."""
        return self._paint("1;34", text)

    def good(self, text: str) -> str:
        """What a fix puts in."""
        return self._paint("32", text)

    def _paint(self, how: str, text: str) -> str:
        return f"\x1b[{how}m{text}\x1b[0m" if self.color and text else text
