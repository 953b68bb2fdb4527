"""Text from outside, made safe for a terminal.

What steps print is untrusted: it may move the cursor, set the title, ring, or turn
writing around. Here it becomes one line that only shows characters. Layout is not done
here, nor is decoding.
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPE: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: cursor, erase, colour
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|\x9c|$)"  # OSC, DCS, SOS, PM, APC with their text
    r"|\x1b[ -/]*[0-~]?"  # every other escape
    r"|\x9b[0-?]*[ -/]*[@-~]"  # the same in 8-bit form
    r"|[\x90\x98\x9d-\x9f].*?(?:\x07|\x1b\\|\x9c|$)",
    re.DOTALL,
)
_COLOUR: Final = re.compile(r"\x1b\[[0-9;:]*m")
_RESET: Final = "\x1b[0m"

_SURROGATES: Final = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
_CONTROLS: Final = dict.fromkeys(c for c in (*range(0x20), *range(0x7F, 0xA0)) if c != 0x09)
_LAYOUT: Final = dict.fromkeys(
    # line and paragraph separators; embeddings, overrides and isolates of direction
    (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
)
_UNSAFE: Final = {**_SURROGATES, **_CONTROLS, **_LAYOUT}
_UNSAFE_BUT_ESCAPE: Final = {k: v for k, v in _UNSAFE.items() if k != 0x1B}


def clean(text: str, *, colour: bool = False) -> str:
    """One line of `text` that can do nothing but show: control sequences and control
    characters are gone (tabs stay), and of what a carriage return overwrites only the
    last stays. With `colour`, colours stay too, and are switched off at the end."""
    if text.isprintable():
        return text
    if not colour or "\x1b" not in text:
        return last_shown(_ESCAPE.sub("", text)).translate(_UNSAFE)
    kept = _ESCAPE.sub(lambda match: _colour_only(match[0]), text)
    kept = last_shown(kept).translate(_UNSAFE_BUT_ESCAPE)
    return kept + _RESET if "\x1b" in kept else kept


def _colour_only(sequence: str) -> str:
    return sequence if _COLOUR.fullmatch(sequence) else ""


def last_shown(text: str) -> str:
    """What a terminal would show last of a line that a progress bar wrote over."""
    if "\r" not in text:
        return text
    segments = reversed(text.split("\r"))
    return next((segment for segment in segments if _COLOUR.sub("", segment)), "")


def plural(count: int, noun: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
