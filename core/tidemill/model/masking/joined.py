"""Text without its line breaks, for finding what was wrapped, and the way back."""

from __future__ import annotations

import re
from bisect import bisect_right

_BREAK = re.compile(rb"[\r\n][ \t\r\n]*")
"""With the indentation of what follows."""


class Joined:
    """`text` is the data without line breaks."""

    def __init__(self, data: bytes) -> None:
        self._at: list[int] = []
        """Where in the text each break was."""
        self._gone: list[int] = [0]
        """How many bytes are left out before the first, the second … break, and after all."""
        parts: list[bytes] = []
        end = gone = 0
        for match in _BREAK.finditer(data):
            parts.append(data[end : match.start()])
            self._at.append(match.start() - gone)
            gone += match.end() - match.start()
            self._gone.append(gone)
            end = match.end()
        self.text = b"".join([*parts, data[end:]]) if parts else data

    def __len__(self) -> int:
        return len(self.text)

    def original(self, at: int) -> int:
        """Where in the data the byte of the text is that stands there."""
        return at + self._gone[bisect_right(self._at, at)]

    def first_break(self, start: int, end: int) -> int | None:
        """Where in the text the first break after the byte at `start` is, up to and with one
        right before `end`."""
        which = bisect_right(self._at, start)
        return self._at[which] if which < len(self._at) and self._at[which] < end else None
