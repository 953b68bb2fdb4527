"""Other people's programs, which print secrets: asked once, with bounds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio import StreamReaderProtocol
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tidemill.spi import SecretError

LARGEST = 4 * 1024 * 1024
"""Bytes that a program may print."""

_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended: `code` is negative for a signal."""

    code: int
    output: bytes

    @property
    def words(self) -> str:
        if self.code >= 0:
            return f"ended with {self.code}"
        try:
            return f"was killed by {signal.Signals(-self.code).name}"
        except ValueError:
            return f"was killed by signal {-self.code}"


async def ask(
    argv: Sequence[str], folder: Path, within: float, extra: Mapping[str, str] | None = None
) -> Done:
    """Runs a program to its end, without a terminal to ask on: it is in a session of its own.

    What it says on stderr is thrown away: there is no telling what of it is secret.

    Raises:
        SecretError: it cannot be started, takes too long, or prints too much.
    """
    program = argv[0]
    async with _pipe() as (output, write_end):
        process = await _start(argv, folder, write_end, extra or {})
        try:
            async with asyncio.timeout(within):
                return await _to_the_end(process, output, program)
        except TimeoutError:
            raise SecretError(f"{program} took longer than {within:g} s") from None
        finally:
            if process.returncode is None:
                await _kill(process)


@asynccontextmanager
async def _pipe() -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
    """A pipe of our own: with one of asyncio's, the end of a process is not seen before all
    that it has started has closed it, too, and that may have left its session."""
    read_end, write_end = os.pipe()
    output = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    file = os.fdopen(read_end, "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: StreamReaderProtocol(output), file)
    try:
        yield output, write_end
    finally:
        transport.close()


async def _start(
    argv: Sequence[str], folder: Path, write_end: int, extra: Mapping[str, str]
) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            cwd=folder,
            stdin=DEVNULL,
            stdout=write_end,
            stderr=DEVNULL,
            start_new_session=True,
            env={**os.environ, **extra},
        )
    except OSError as error:
        raise SecretError(f"{argv[0]} cannot be started: {error.strerror}") from None
    finally:
        os.close(write_end)


async def _to_the_end(process: Process, written: asyncio.StreamReader, program: str) -> Done:
    output = bytearray()
    while piece := await written.read(_PIECE):
        output += piece
        if len(output) > LARGEST:
            raise SecretError(f"{program} printed more than {LARGEST >> 20} MiB")
    return Done(await process.wait(), bytes(output))


async def _kill(process: Process) -> None:
    """With all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
