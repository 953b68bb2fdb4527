"""How wide text is, without a font at hand: never less than on the reader's screen."""

from __future__ import annotations

import re
import unicodedata

NAME, SMALL = 13.0, 11.0
"""Font sizes in pixels."""
_WIDTHS = (
    *(32, 40, 46, 84, 64, 95, 78, 27, 39, 39, 50, 84, 32, 36, 32, 34),
    *(64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34, 34, 84, 84, 84, 56),
    *(102, 68, 69, 72, 77, 67, 61, 78, 75, 29, 50, 67, 56, 86, 75, 79),
    *(67, 79, 72, 67, 61, 73, 68, 99, 69, 67, 69, 39, 34, 39, 84, 56),
    *(50, 61, 63, 55, 63, 62, 35, 63, 63, 28, 28, 58, 28, 97, 63, 61),
    *(63, 63, 41, 52, 39, 63, 59, 82, 59, 59, 52, 64, 34, 64, 84),
)
"""Of the characters from the space on, in hundredths of the font's size: the larger of
DejaVu Sans (which is wide) and Liberation Sans (which is as wide as Arial)."""
_OTHER, _WIDE = 0.9, 1.1
_BREAKS = re.compile(r"(?<=[-_./ ])|(?<=[a-z])(?=[A-Z])")
_MOST_LINES = 3


def text_width(text: str, size: float) -> float:
    """In pixels."""
    return sum(map(_width, text)) * size


def _width(character: str) -> float:
    at = ord(character) - 32
    if 0 <= at < len(_WIDTHS):
        return _WIDTHS[at] / 100
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return _WIDE if unicodedata.east_asian_width(character) in "WFA" else _OTHER


def wrapped(text: str, size: float, room: float) -> list[str]:
    """The text in lines of at most `room` pixels, broken where a name has a joint. What
    has more than a few lines is shortened in its middle."""
    lines = _lines(text, size, room)
    while len(lines) > _MOST_LINES:
        half = (len(text) - 2) // 2
        text = f"{text[:half].rstrip('…')}…{text[len(text) - half :].lstrip('…')}"
        lines = _lines(text, size, room)
    return lines


def _lines(text: str, size: float, room: float) -> list[str]:
    lines = [""]
    for piece in _BREAKS.split(text):
        for part in _parts(piece, size, room):
            if lines[-1] and text_width(lines[-1] + part, size) > room:
                lines.append(part)
            else:
                lines[-1] += part
    return lines


def _parts(piece: str, size: float, room: float) -> list[str]:
    """A piece without joints, in parts that fit a line each."""
    parts = [""]
    for character in piece:
        if parts[-1] and text_width(parts[-1] + character, size) > room:
            parts.append("")
        parts[-1] += character
    return parts
