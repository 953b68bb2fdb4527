"""What a step over SSH costs, against `true` on a kept connection to the same server.

    python tests/benchmarks/ssh_overhead.py [ROUNDS]

Each round runs the floor ten times in a row, then ours, and the ratio of a round is what counts:
whatever else the machine does slows both, and what one leaves to do when it has told its end (ours
starts the shell of the next step) is paid by the next one of its kind. Ours is the step `true` of
the ssh executor, with a lease (as on a fleet) and without; the floor is asyncssh's
`conn.run("true")`, which leaves nothing in the way of what a command starts. One after another,
then four at a time.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import asyncssh
from sshd import Sshd, find

import tidemill_ssh
from tidemill.spi import Executor, ExecutorContext, ScriptAction, Work, boot_time
from tidemill.testing.executor.bench import RecordingIO

(KIND,) = tidemill_ssh.tidemill_executors()
ROUNDS, WARM, AT_ONCE, IN_A_ROW = 100, 2, 4, 10
Run = Callable[[], Awaitable[None]]


NUMBERS = count()


def ours(executor: Executor, server: Sshd) -> Run:
    made = KIND.settings.model_validate(server.settings())

    async def run() -> None:
        number = next(NUMBERS)
        work = Work(str(number), 1, "true", 1, 1, ScriptAction("true"), Path("/"), made)
        outcome = await executor.wait(await executor.start(work, RecordingIO()))
        assert outcome.ok, outcome

    return run


def floor(connection: asyncssh.SSHClientConnection) -> Run:
    async def run() -> None:
        done = await connection.run("true")
        assert done.exit_status == 0

    return run


async def seconds(run: Run, at_once: int) -> float:
    async def some() -> None:
        for _ in range(IN_A_ROW):
            await run()

    begun = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(at_once)))
    return (time.perf_counter() - begun) / IN_A_ROW


async def compare(name: str, floor: Run, ours: Run, at_once: int, rounds: int) -> None:
    for _ in range(WARM):
        await seconds(floor, at_once)
        await seconds(ours, at_once)
    pairs = [(await seconds(floor, at_once), await seconds(ours, at_once)) for _ in range(rounds)]
    ratios = [mine / bare for bare, mine in pairs]
    bare, mine = (statistics.median(each) / at_once * 1000 for each in zip(*pairs, strict=True))
    print(
        f"{name:9} {at_once} at a time: floor {bare:5.1f} ms, ours {mine:5.1f} ms a step; ratio "
        f"{statistics.median(ratios):.2f} (p90 {statistics.quantiles(ratios, n=10)[-1]:.2f})",
        flush=True,
    )


async def measure(server: Sshd, rounds: int, scratch: Path) -> None:
    connection = await asyncssh.connect(
        "127.0.0.1", server.port, username=server.user, client_keys=[server.key],
        known_hosts=str(server.known_hosts), config=None,
    )  # fmt: skip
    for name, leased in (("no lease", False), ("leased", True)):
        executor = KIND.factory(ExecutorContext(scratch, leased))
        executor.extend(3600, boot_time())
        for at_once in (1, AT_ONCE):
            await compare(name, floor(connection), ours(executor, server), at_once, rounds)
        await executor.close()
    connection.close()


def main() -> None:
    program = find()
    if program is None:
        sys.exit("sshd is not installed")
    server = Sshd(program, "SetEnv HOME=/nonexistent")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
            asyncio.run(measure(server, rounds, Path(scratch)))
    finally:
        server.stop()


if __name__ == "__main__":
    main()
