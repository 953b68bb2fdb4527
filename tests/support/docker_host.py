"""A program that runs steps in containers until it is killed:
`docker_host.py SCRATCH PROJECT IMAGE [SECONDS]`. With SECONDS, its steps are leased, and
their time is over that long after it has said that they run. It prints their tokens."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from local_host import Silent

import tidemill_docker
from tidemill.spi import ExecutorContext, ScriptAction, Work, boot_time


async def main(scratch: Path, project: Path, image: str, seconds: float) -> None:
    (kind,) = tidemill_docker.tidemill_executors()
    executor = kind.factory(ExecutorContext(scratch, leased=seconds > 0))
    settings = tidemill_docker.DockerSettings(image=image, pull="never")
    script = "trap '' TERM; until [ -e go ]; do sleep 0.05; done; exit 7"
    tokens = []
    for number in range(3):
        action = ScriptAction(script)
        work = Work(str(number), 1, "step", 1, 1, action, project, settings)
        tokens.append((await executor.start(work, Silent())).token)
    if seconds:
        executor.extend(seconds, boot_time())
    print(*tokens, flush=True)
    await asyncio.sleep(1000)


if __name__ == "__main__":
    given = sys.argv[4] if len(sys.argv) > 4 else "0"
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], float(given)))
