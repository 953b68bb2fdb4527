"""Between an engine and a registry: `registry_proxy.py MODE PORT TARGET`.

- `silent`: connections are taken and nothing is ever said
- `stalls`: in the middle of a layer nothing more comes
- `dies`: in the middle of a layer the server is gone
- `lies`: a layer's content is another than was pushed
- `tells`: refuses a login with an error in which it stands, plain and as it came
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import sys

_MIDDLE = 100_000
"""Bytes; all that is no layer is shorter."""


class Proxy:
    def __init__(self, mode: str, target: int) -> None:
        self._mode = mode
        self._target = target

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode == "silent":
            await asyncio.sleep(1000)
        if self._mode == "tells":
            await _tell(reader, writer)
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(self._ask(reader, back), self._answer(there, writer))

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        while data := await reader.read(65536):
            passed += len(data)
            if passed > _MIDDLE:
                data = await self._harmed(data)
            writer.write(data)
            await writer.drain()
        writer.close()

    async def _harmed(self, data: bytes) -> bytes:
        if self._mode == "stalls":
            await asyncio.sleep(1000)
        if self._mode == "dies":
            os._exit(1)
        return bytes(len(data))


async def _tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    asked = (await reader.readuntil(b"\r\n\r\n")).decode()
    given = re.search(r"(?i)authorization: basic (\S+)", asked)
    login = given[1] if given else ""
    message = f"{base64.b64decode(login).decode()} or {login} is wrong"
    body = json.dumps({"errors": [{"code": "DENIED", "message": message}]}).encode()
    status = "403 Forbidden" if given else "401 Unauthorized"
    head = (
        f"HTTP/1.1 {status}", 'WWW-Authenticate: Basic realm="tests"', "Connection: close",
        "Content-Type: application/json", f"Content-Length: {len(body)}", "", "",
    )  # fmt: skip
    if asked.startswith("HEAD "):
        head = ("HTTP/1.1 404 Not Found", "Connection: close", "Content-Length: 0", "", "")
        body = b""
    writer.write("\r\n".join(head).encode() + body)
    await writer.drain()
    writer.close()


async def main(mode: str, port: int, target: int) -> None:
    server = await asyncio.start_server(Proxy(mode, target).serve, "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
