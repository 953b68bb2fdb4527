"""The output of one attempt on its way out: masked, in whole lines, decoded, and bounded.

A line that is very long goes out in pieces, and an attempt that writes without end is
cut off with a note, so that neither fills memory, disk or a reader's patience.
"""

from __future__ import annotations

from collections.abc import Callable

from tidemill.model.masking import Mask, MaskedStream

MAX_LINE = 64 * 1024
"""Bytes of one line that are kept together."""

MAX_OUTPUT = 16 * 1024 * 1024
"""Bytes of one attempt's output that are kept."""


class OutputPump:
    """Takes bytes as they come; `emit` gets text that ends with a line end, except for
    the pieces of an over-long line."""

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit
        self._rest = b""
        self._masked: MaskedStream | None = None
        self._left = MAX_OUTPUT
        """Negative once there was more than is kept."""
        self._skip = 0
        self.sent = 0
        """Bytes that were given out, and those that were left out as known."""

    def skip(self, size: int) -> None:
        """The first bytes are known already: it is given out only what comes behind them."""
        self._skip = max(size, 0)

    def hide(self, mask: Mask) -> None:
        """Hides values in all that is written from now on."""
        self._masked = MaskedStream(mask) if mask else None

    def write(self, data: bytes) -> None:
        if self._left >= 0:  # looking for values takes time, which a flood has enough of
            self._write(self._masked.feed(data) if self._masked else data)

    def _write(self, data: bytes) -> None:
        if len(data) > self._left:
            self._cut(data)
            return
        self._left -= len(data)
        self._take(data)

    def close(self) -> None:
        """Sends what is left of a last line that has no end."""
        if self._masked and self._left >= 0:
            self._write(self._masked.close())
        self._end_line()

    def _end_line(self) -> None:
        rest, self._rest = self._rest, b""
        if rest:
            self._send(rest + b"\n")

    def _take(self, data: bytes) -> None:
        end = data.rfind(b"\n") + 1
        if end:
            self._send(self._rest + data[:end])
            self._rest = data[end:]
        else:
            self._rest += data
        while len(self._rest) > MAX_LINE:
            piece, self._rest = _split(self._rest)
            self._send(piece)

    def _cut(self, data: bytes) -> None:
        self._take(data[: self._left])
        self._left = -1
        self._end_line()
        note = f"[tidemill: more than {MAX_OUTPUT >> 20} MiB of output; the rest is left out]\n"
        self._send(note.encode())

    def _send(self, data: bytes) -> None:
        known = min(self._skip, len(data))
        self._skip -= known
        self.sent += len(data)
        if known < len(data):
            self._emit(data[known:].decode("utf-8", "replace"))


def _split(data: bytes) -> tuple[bytes, bytes]:
    """A piece of at most `MAX_LINE` bytes that does not end within a character."""
    at = MAX_LINE
    while at > MAX_LINE - 4 and data[at] & 0xC0 == 0x80:
        at -= 1
    return data[:at], data[at:]
