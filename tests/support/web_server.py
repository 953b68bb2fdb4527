"""An HTTP(S) server in the test's own loop, that answers as badly as it is told to."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Request:
    """Names of headers are in lower case."""

    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class WebServer:
    """`requests` are all that came in whole; `answer` is how the next ones are answered."""

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "localhost") -> None:
        self.requests: list[Request] = []
        self.answer: Answer = reply(200)
        self.port = 0
        self.opened = 0
        self.open: set[asyncio.StreamWriter] = set()
        self._tls = tls
        self._host = host
        self._server: asyncio.Server | None = None

    def url(self, path: str = "/") -> str:
        return f"http{'s' if self._tls else ''}://{self._host}:{self.port}{path}"

    async def listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(
                self._serve, "127.0.0.1", self.port, ssl=self._tls
            )
            self.port = self._server.sockets[0].getsockname()[1]

    def leave(self) -> None:
        """Takes no more connections."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()
        for writer in self.open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.add(writer)
        self.opened += 1
        try:
            while True:  # the connection is the client's to close
                self.requests.append(await _read(reader))
                await self.answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other end has gone away
        finally:
            self.open.discard(writer)
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    lines = (line.partition(":") for line in head[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in lines}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(head[0].split()[1], headers, body)


# --- answers -------------------------------------------------------------------------------


def reply(status: int, body: bytes = b"ok", **headers: str) -> Answer:
    """A whole answer; `_` in a header's name stands for `-`."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        head = [f"HTTP/1.1 {status} So", f"Content-Length: {len(body)}", *lines, "", ""]
        writer.write("\r\n".join(head).encode() + body)
        await writer.drain()

    return answer


def say(text: bytes) -> Answer:
    """These bytes, and then nothing."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()
        await reader.read()

    return answer


def cut(after: bytes = b"") -> Answer:
    """These bytes, and then a reset."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(after)
        await writer.drain()
        writer.transport.abort()

    return answer


hang = say(b"")


def flood(head: bytes) -> Answer:
    """Bytes without end, as long as anybody takes them."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    return answer
