"""One session: what the supervisor of one step is told, and tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncssh

_LINGER = 2.0
"""Seconds after the supervisor's end for what it wrote to arrive; somebody outside of the
step's tree may hold its output: nobody waits longer for them."""
_HEARD = 4096
"""So much of what is said before the supervisor speaks is kept, for an error's text."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the step ended: the words of the supervisor, and the content of `$TIDE_OUTPUT`."""

    words: list[str]
    values: bytes


class Session(asyncssh.SSHClientSession[bytes]):
    """Calls `told(kind, words)` for each line of the supervisor, `write` for each piece of
    output. `ended` is set before `gone`, which is done when the channel is closed: then
    everything has been heard."""

    def __init__(
        self, mark: str, write: Callable[[bytes], None], told: Callable[[str, list[str]], None]
    ) -> None:
        self.ended: Ended | None = None
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard = bytearray()
        self._sign = mark.encode() + b" "
        self._write, self._told = write, told
        self._buffer = bytearray()
        self._spoken = False
        self._wanted: tuple[list[str], int] | None = None
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None

    # -- what we say

    def tell(self, order: bytes) -> None:
        """Never blocks; of one that has ended nobody hears."""
        if self._channel is not None and not self._channel.is_closing():
            try:
                self._channel.write(order)
            except OSError:
                return

    def hang_up(self) -> None:
        """The supervisor sees its input closed, and ends everything."""
        if self._channel is not None and not self._channel.is_closing():
            try:
                self._channel.write_eof()
            except OSError:
                return

    def abort(self) -> None:
        if self._channel is not None:
            self._channel.abort()

    # -- what we are told

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._channel = chan

    def data_received(self, data: bytes, datatype: Any) -> None:
        if datatype is None:
            if not self._spoken:
                self.heard += data[: _HEARD - len(self.heard)]
            self._write(data)
        else:
            self._buffer += data
            self._read()

    def eof_received(self) -> bool:
        return True  # ours stays open: the supervisor takes its end for the cut

    def exit_status_received(self, status: int) -> None:
        del status  # the supervisor has told how the step ended
        self._linger()

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        del signal, core_dumped, msg, lang
        self._linger()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self.gone.done():
            self.gone.set_result(None)

    def _linger(self) -> None:
        asyncio.get_running_loop().call_later(_LINGER, self.abort)

    def _read(self) -> None:
        while True:
            if self._wanted is not None:
                words, size = self._wanted
                if len(self._buffer) < size:
                    return
                self.ended = Ended(words, bytes(self._buffer[:size]))
                del self._buffer[:size]
                self._wanted = None
                self._told("ended", words)
            line, found, rest = self._buffer.partition(b"\n")
            if not found:
                return
            self._buffer = bytearray(rest)
            self._line(bytes(line))

    def _line(self, line: bytes) -> None:
        if not line.startswith(self._sign):
            self.heard += (line + b"\n")[: max(0, _HEARD - len(self.heard))]
            return
        self._spoken = True
        kind, *words = line[len(self._sign) :].decode(errors="replace").split(" ")
        if kind == "ended" and len(words) > 6:
            self._wanted = (words, int(words[6]))
        else:
            self._told(kind, words)
