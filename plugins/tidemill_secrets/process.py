"""Other people's programs, which print secrets: asked once, with bounds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
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
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=folder,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=DEVNULL,
            start_new_session=True,
            env={**os.environ, **(extra or {})},
        )
    except OSError as error:
        raise SecretError(f"{program} cannot be started: {error.strerror}") from None
    try:
        async with asyncio.timeout(within):
            return await _to_the_end(process, program)
    except TimeoutError:
        raise SecretError(f"{program} took longer than {within:g} s") from None
    finally:
        if process.returncode is None:
            await _kill(process)


async def _to_the_end(process: Process, program: str) -> Done:
    assert process.stdout is not None  # noqa: S101  for mypy: it was asked for
    output = bytearray()
    while piece := await process.stdout.read(_PIECE):
        output += piece
        if len(output) > LARGEST:
            raise SecretError(f"{program} printed more than {LARGEST >> 20} MiB")
    return Done(await process.wait(), bytes(output))


async def _kill(process: Process) -> None:
    """With all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
