"""The strokes of the text tree, and their ASCII stand-ins."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Strokes:
    """`data` strokes lead to a step that uses something of the one above, `order` strokes
    to one that only waits for it: (a branch, the last branch, straight on)."""

    data: tuple[str, str, str]
    order: tuple[str, str, str]
    bar: str
    apart: str
    below: str


UNICODE = Strokes(("├─ ", "└─ ", "↓  "), ("├╌ ", "└╌ ", "⇣  "), "│  ", " · ", "…")
ASCII = Strokes(("|- ", "`- ", "v  "), ("|. ", "`. ", ":  "), "|  ", ", ", "...")
