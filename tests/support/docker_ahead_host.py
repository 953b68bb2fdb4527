"""A program that holds containers for steps that it never starts, until it is killed:
`docker_ahead_host.py SCRATCH IMAGE SECONDS [WORD …]`. With SECONDS other than 0, its time is
over that long after it has said that it is ready. The word `recoverable` lets steps outlive it;
`one at work` starts a further one, and prints its token."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from local_host import Silent

import tidemill_docker
from tidemill.spi import ExecutorContext, ScriptAction, Work, boot_time


async def main(scratch: Path, image: str, seconds: float, words: list[str]) -> None:
    (kind,) = tidemill_docker.tidemill_executors()
    executor = kind.factory(ExecutorContext(scratch, seconds > 0, "recoverable" in words))
    executor.extend(1000, boot_time())
    settings = tidemill_docker.DockerSettings(image=image, pull="never", workspace="none")
    action = ScriptAction("sleep 1000")
    works = [Work(str(n), 1, "step", 1, 1, action, scratch, settings) for n in range(4)]
    await asyncio.gather(*map(executor.prepare, works[:3]))
    token = ""
    if "one at work" in words:
        token = (await executor.start(works[3], Silent())).token
    if seconds:
        executor.extend(seconds, boot_time())
    print("ready", token, sep="\n", flush=True)
    await asyncio.sleep(1000)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4:]))
