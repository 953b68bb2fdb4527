"""A process of its own that starts steps and is killed over them, and what it has told."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence

from tidemill.spi import Executor, Work, boot_time
from tidemill.testing.executor.bench import RecordingIO

READY = b"ready\n"


def start_and_die(
    new_executor: Callable[[], Executor], works: Sequence[Work], seconds: float
) -> list[str]:
    """The tokens of steps that were at work, and had written READY, when their executor's
    process was killed; it had given them so many seconds."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(_start(new_executor, works, seconds, writer))
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as file:
        tokens = file.read().splitlines()
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    return tokens


async def _start(
    new_executor: Callable[[], Executor], works: Sequence[Work], seconds: float, writer: int
) -> None:
    executor = new_executor()
    executor.extend(seconds, boot_time())
    for work in works:
        io = RecordingIO()
        handle = await executor.start(work, io)
        await io.until(lambda io: READY in io.kept)
        os.write(writer, f"{handle.token}\n".encode())
    executor.extend(seconds, boot_time())
    os.kill(os.getpid(), signal.SIGKILL)
