"""A program that runs steps in containers until it is killed:
`docker_host.py SCRATCH PROJECT IMAGE [SECONDS [WORD …]]`. With SECONDS other than 0, its
steps are leased, and their time is over that long after it has said that they run. The word
`services` gives each of them one; `recoverable` lets them outlive it. It prints their tokens."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from local_host import Silent

import tidemill_docker
from tidemill.spi import ExecutorContext, ScriptAction, Work, boot_time


async def main(scratch: Path, project: Path, image: str, seconds: float, words: list[str]) -> None:
    (kind,) = tidemill_docker.tidemill_executors()
    context = ExecutorContext(scratch, seconds > 0, "recoverable" in words)
    executor = kind.factory(context)
    given: dict[str, Any] = {"image": image, "pull": "never"}
    if "services" in words:
        given["service"] = {"beside": {**given, "command": ["sleep", "1000"]}}
    settings = tidemill_docker.DockerSettings(**given)
    script = (
        "trap '' TERM; printf 'one\\n\\nthree\\n'; until [ -e go ]; do sleep 0.05; done; "
        "printf four; exit 7"
    )
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
    more = [*sys.argv[4:], "0"]
    arguments = (Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], float(more[0]))
    asyncio.run(main(*arguments, more[1:]))
