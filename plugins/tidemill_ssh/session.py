"""One session: a supervisor on the host, which runs steps one after another, what it is told,
and what it tells."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import asyncssh

from tidemill.spi import boot_time

_LINGER = 2.0
"""Seconds after the supervisor's end for what it wrote to arrive; somebody outside of the
step's tree may hold its output: nobody waits longer for them."""
_HEARD = 4096
"""So much of what is said before the supervisor speaks is kept, for an error's text."""
_SAID = 2 << 20
"""So much is never said at once by the supervisor, the content of `$TIDE_OUTPUT` included."""
_LINES = 8192
"""Bytes of an order that the far shell reads by itself, one by one; more is left to `head`."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the step ended: the words of the supervisor, and the content of `$TIDE_OUTPUT`."""

    words: list[str]
    values: bytes

    @property
    def kept(self) -> bool:
        """Whether the supervisor is fit for another step."""
        return self.words[6] == "1"


@dataclass(slots=True)
class Turn:
    """One step's time on a session: where its output goes, and who hears how it goes."""

    write: Callable[[bytes], None]
    told: Callable[[str, list[str]], None]
    sign: bytes = field(default_factory=lambda: secrets.token_hex(16).encode())
    """Behind the last byte of output. The step does not know it."""
    settled: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    """Done when the tree is gone and all has been heard; files can be fetched."""
    ended: Ended | None = None
    _values: bytes = b""
    _tail: bytes = b""
    _quiet: bool = False

    def output(self, data: bytes) -> None:
        if self._quiet:
            return
        text = self._tail + data
        end = text.find(self.sign)
        if end >= 0:
            self._quiet, self._tail = True, b""
        else:
            end = len(text) - _overlap(text, self.sign)
            self._tail = text[end:]
        if end:
            self.write(text[:end])
        self._settle()

    def says(self, kind: str, words: list[str]) -> None:
        if kind == "ended" and len(words) > 6:
            self.ended = Ended(words, self._values)
            self._settle()
        else:
            self.told(kind, words)

    def values(self, data: bytes) -> None:
        self._values = data

    def cut(self) -> None:
        """Nothing more is heard: what was held back is output."""
        if self._tail:
            self.write(self._tail)
            self._tail = b""

    def _settle(self) -> None:
        if self._quiet and self.ended is not None and not self.settled.done():
            self.settled.set_result(None)


def _overlap(text: bytes, sign: bytes) -> int:
    """How many bytes at the end of the text may be the beginning of the sign."""
    for size in range(min(len(text), len(sign) - 1), 0, -1):
        if text.endswith(sign[:size]):
            return size
    return 0


class Session(asyncssh.SSHClientSession[bytes]):
    """`gone` is done when the channel is closed: then everything has been heard."""

    def __init__(self, mark: str, number: int) -> None:
        self.mark, self.number = mark, number
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[float] = loop.create_future()
        """The host's clock, as it was when the supervisor began."""
        self.gone: asyncio.Future[None] = loop.create_future()
        self.heard = bytearray()
        self.exited = False
        """The supervisor has ended by itself: nothing is left of it there."""
        self.used = boot_time()
        """When something was heard last."""
        self._sign = mark.encode() + b" "
        self._turn: Turn | None = None
        self._answers: dict[str, asyncio.Future[list[str]]] = {}
        self._buffer = bytearray()
        self._wanted = 0
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None

    # -- what we say

    def tell(self, order: bytes) -> None:
        """Never blocks; of one that has ended nobody hears."""
        if self._channel is not None and not self._channel.is_closing():
            try:
                self._channel.write(order)
            except OSError:
                return

    def run(self, turn: Turn, order: bytes, until: int, *, collect: bool) -> None:
        """Starts a step. Not before the last one has settled."""
        self._turn = turn
        lines = len(order) <= _LINES and order.isascii()
        size = 0 if lines else len(order)
        end = turn.sign + b"\n" if lines else b""
        head = b"run %d %d %d %b\n" % (size, collect, until, turn.sign)
        self.tell(head + order + end)

    async def asked(self, word: str, answer: str) -> list[str] | None:
        """The words of the answer; None if it never comes."""
        coming = self._answers[answer] = asyncio.get_running_loop().create_future()
        self.tell(word.encode() + b"\n")
        heard: set[asyncio.Future[Any]] = {coming, self.gone}
        await asyncio.wait(heard, return_when=asyncio.FIRST_COMPLETED)
        return coming.result() if coming.done() else None

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
        self.used = boot_time()
        if datatype is not None:
            self._buffer += data
            self._read()
        elif self._turn is not None:
            self._turn.output(data)
        elif not self.ready.done():
            self._hear(data)

    def eof_received(self) -> bool:
        return True  # ours stays open: the supervisor takes its end for the cut

    def exit_status_received(self, status: int) -> None:
        del status  # the supervisor has told how its steps ended
        self.exited = True
        self._linger()

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        del signal, core_dumped, msg, lang
        self._linger()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._turn is not None:
            self._turn.cut()
        if not self.gone.done():
            self.gone.set_result(None)

    def _linger(self) -> None:
        asyncio.get_running_loop().call_later(_LINGER, self.abort)

    def _hear(self, data: bytes) -> None:
        self.heard += data[: max(0, _HEARD - len(self.heard))]

    def _read(self) -> None:
        while True:
            if self._wanted:
                if len(self._buffer) < self._wanted:
                    return
                if self._turn is not None:
                    self._turn.values(bytes(self._buffer[: self._wanted]))
                del self._buffer[: self._wanted]
                self._wanted = 0
            line, found, rest = self._buffer.partition(b"\n")
            if not found:
                if len(self._buffer) > _SAID:
                    self._buffer.clear()
                    self.abort()
                return
            self._buffer = bytearray(rest)
            try:
                self._line(bytes(line))
            except (ValueError, IndexError):  # not from our supervisor
                self.abort()

    def _line(self, line: bytes) -> None:
        if not line.startswith(self._sign):
            self._hear(line + b"\n")
            return
        kind, *words = line[len(self._sign) :].decode(errors="replace").split(" ")
        if kind == "ready" and not self.ready.done():
            self.ready.set_result(float(words[0]))
        elif kind == "values":
            self._wanted = int(words[0])
            if not 0 <= self._wanted <= _SAID:
                raise ValueError(words[0])
        elif answer := self._answers.pop(kind, None):
            answer.set_result(words)
        elif self._turn is not None:
            self._turn.says(kind, words)
