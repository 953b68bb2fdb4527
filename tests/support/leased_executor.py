"""A program that runs a nasty step, and gives it time as a worker with a lease does:
`leased_executor.py SCRATCH PROJECT SECONDS`, and the step's mark on its standard input."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from local_host import Silent
from local_processes import NASTY

import tidemill_local
from tidemill.spi import ExecutorContext, Handle, ScriptAction, Work, boot_time


async def main(scratch: Path, project: Path, seconds: float, mark: str) -> None:
    (kind,) = tidemill_local.tidemill_executors()
    executor = kind.factory(ExecutorContext(scratch, leased=True))

    async def extend() -> None:
        while True:
            executor.extend(seconds, boot_time())
            await asyncio.sleep(seconds / 5)

    extending = asyncio.create_task(extend())

    async def start(number: int, script: str) -> Handle:
        action, env = ScriptAction(script), {"MARK": mark}
        work = Work(str(number), 1, "step", 1, 1, action=action, project=project, env=env)
        return await executor.start(work, Silent())

    nasty = await start(1, NASTY + "sleep 1000")
    await executor.wait(await start(2, "echo ready"))  # and leaves an idle keeper
    outcome = await executor.wait(nasty)
    extending.cancel()
    print(outcome.reason.value, flush=True)
    await executor.close()


if __name__ == "__main__":
    scratch, project, seconds = sys.argv[1:4]
    asyncio.run(main(Path(scratch), Path(project), float(seconds), sys.stdin.readline().strip()))
