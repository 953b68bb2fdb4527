"""The container's standard streams: one connection to the engine, read on the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

from tidemill_docker import program

PIECE = 65536
_HEADER = struct.Struct(">BxxxL")
_SAID_LIMIT = 16384
_ERROR = 2


class Frames:
    """Takes apart what an engine sends: frames of a header, which names stream and size,
    and a payload. They may come in pieces cut anywhere. `said` is the beginning of what
    came on standard error."""

    def __init__(self) -> None:
        self._header = b""
        self._left = 0
        self._is_error = False
        self.said = b""

    def payload(self, data: bytes) -> bytes:
        """What is of standard output."""
        found = []
        at = 0
        while at < len(data):
            if self._left:
                piece = data[at : at + self._left]
                self._left -= len(piece)
                if self._is_error:
                    self.said += piece[: _SAID_LIMIT - len(self.said)]
                else:
                    found.append(piece)
            else:
                piece = data[at : at + _HEADER.size - len(self._header)]
                self._header += piece
                if len(self._header) == _HEADER.size:
                    stream, self._left = _HEADER.unpack(self._header)
                    self._is_error = stream == _ERROR
                    self._header = b""
            at += len(piece)
        return b"".join(found)


class Streams:
    """The step writes both of its outputs into the container's standard output, or their
    order would be lost on the way; standard error is our own program's."""

    def __init__(self, answer: Any) -> None:
        """`answer` is what `APIClient.attach_socket` returned, before anything was sent."""
        self._answer = answer  # it closes the connection when it is freed
        self._socket = socket.socket(fileno=os.dup(answer.fileno()))
        self._socket.setblocking(False)
        self._frames = Frames()
        self._early = b""

    @property
    def is_silent(self) -> bool:
        """Whether the connection is there and nothing has come yet: neither words nor an end."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    async def send(self, data: bytes) -> None:
        """All that the container ever reads. One that has ended needs no more of it."""
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().sock_sendall(self._socket, data)
            self._socket.shutdown(socket.SHUT_WR)

    async def first_words(self) -> tuple[bool, str]:
        """What our program says of the start; if it says nothing until the end, (False,
        whatever was written instead)."""
        data = b""
        async for piece in self.pieces():
            data += piece
            _, mark, said = data.partition(program.MARK)
            if mark and b"\n" in said:
                line, _, self._early = said.partition(b"\n")
                return True, os.fsdecode(line)
            if len(data) > _SAID_LIMIT:
                break
        return False, (data + self.said).decode(errors="replace")

    @property
    def said(self) -> bytes:
        """What our own program has said since the streams were attached."""
        return self._frames.said

    async def pieces(self) -> AsyncIterator[bytes]:
        """Output as it comes, until the container has ended, or the engine has. Each piece
        takes a turn of the loop, so that a flood delays nobody."""
        if self._early:
            early, self._early = self._early, b""
            yield early
        loop = asyncio.get_running_loop()
        while data := await self._receive(loop):
            if piece := self._frames.payload(data):
                yield piece
            await asyncio.sleep(0)

    async def _receive(self, loop: asyncio.AbstractEventLoop) -> bytes:
        try:
            return await loop.sock_recv(self._socket, PIECE)
        except OSError:  # the engine died
            return b""

    def close(self) -> None:
        self._socket.close()
        self._answer = None
