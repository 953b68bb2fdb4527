"""The floor: what a bare asyncio loop needs for the same commands, and nothing else.

It keeps no state, no log and no order but the dependencies. A process of its own, as
every contender: `python floor.py STEPS.json PARALLELISM` prints the seconds from the
first step's start to the last one's end.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from pathlib import Path
from typing import Any


async def run(steps: list[dict[str, Any]], parallelism: int) -> float:
    free = asyncio.Semaphore(parallelism)
    ended = {step["name"]: asyncio.Event() for step in steps}

    async def one(step: dict[str, Any]) -> None:
        for need in step["needs"]:
            await ended[need].wait()
        async with free:
            process = await asyncio.create_subprocess_exec(
                "sh", "-c", step["command"], stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
            )
            await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(step["name"])
        ended[step["name"]].set()

    start = time.perf_counter()
    await asyncio.gather(*map(one, steps))
    return time.perf_counter() - start


def main() -> None:
    if sys.version_info < (3, 12):  # later versions use pidfds by themselves
        asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
    steps = json.loads(Path(sys.argv[1]).read_text())
    print(asyncio.run(run(steps, int(sys.argv[2]))))


if __name__ == "__main__":
    main()
