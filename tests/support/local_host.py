"""A program that runs nasty steps until it is killed: `host.py SCRATCH PROJECT MARK`.

With `bounded` behind it, the one that never ends is in a control group.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from local_processes import NASTY

import tidemill_local
from tidemill.spi import ExecutorContext, ScriptAction, Work
from tidemill_local import LocalSettings


class Silent:
    def write(self, data: bytes) -> None:
        if b"ready" in data:
            print("ready", flush=True)

    async def save_file(self, output: str, name: str, source: Path) -> None:
        raise OSError(f"{output} {name} {source}")


async def main(scratch: Path, project: Path, mark: str, *, bounded: bool) -> None:
    (kind,) = tidemill_local.tidemill_executors()
    executor = kind.factory(ExecutorContext(scratch))

    async def run(number: int, script: str, settings: LocalSettings | None = None) -> None:
        action = ScriptAction(script)
        env = {"MARK": mark}
        work = Work(str(number), 1, "step", 1, 1, action, project, settings, env)
        await executor.wait(await executor.start(work, Silent()))

    async def many() -> None:
        for number in range(1, 100_000):
            await run(number, "setsid sleep 1000 & :")

    first = LocalSettings(pids=500) if bounded else None
    await asyncio.gather(run(0, NASTY + "echo ready; sleep 1000", first), many())


if __name__ == "__main__":
    scratch, project, mark, *rest = sys.argv[1:]
    asyncio.run(main(Path(scratch), Path(project), mark, bounded=rest == ["bounded"]))
