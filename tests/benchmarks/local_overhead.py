"""What the local executor costs a step, against a bare spawn of the same command.

    python tests/benchmarks/local_overhead.py [--steps 2000]

Three ways to run `true`, in blocks that take turns in one process: by the executor; by
`subprocess` with its output in a pipe, which is what whoever wants the output would
write; and by `posix_spawn` with none, which is the floor of the floor. All get the same
arguments and the same environment. A figure is the time from before the start of a step
until after its end was heard of, in microseconds; with two at a time, the time of a block
by its steps. Ratios move little with the machine; figures do.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import tidemill_local
from tidemill.spi import ArgvAction, Executor, ExecutorContext, Work, boot_time
from tidemill_local.environment import inherited

TARGET = 1.3
"""Of the executor's median to that of `subprocess`."""

_BLOCK = 50
_numbers = count(1)


class Silent:
    def write(self, data: bytes) -> None:
        """Nothing comes."""

    async def save_file(self, output: str, name: str, source: Path) -> None:
        raise OSError(f"{output} {name} {source}")


@dataclass(frozen=True)
class Command:
    argv: tuple[str, ...]
    env: dict[str, str]
    project: Path


def spawn(command: Command) -> None:
    """Bare: no pipe, no loop, no watching."""
    null = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
    pid = os.posix_spawnp(command.argv[0], command.argv, command.env, file_actions=(null,))
    if os.waitpid(pid, 0)[1] != 0:
        raise RuntimeError("a bare command failed")


def piped(command: Command) -> None:
    """What one writes who wants the output, and a session for each."""
    subprocess.run(
        command.argv,
        env=command.env,
        cwd=command.project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        check=True,
    )


async def by_executor(executor: Executor, command: Command) -> None:
    number = next(_numbers)
    work = Work(
        f"1-{number}-1",
        run=1,
        step="bench",
        attempt=1,
        fence=1,
        action=ArgvAction(command.argv),
        project=command.project,
    )
    outcome = await executor.wait(await executor.start(work, Silent()))
    if not outcome.ok:
        raise RuntimeError(str(outcome))


def bare_block(one: Callable[[Command], None], command: Command) -> list[float]:
    return [_timed(one, command) for _ in range(_BLOCK)]


def _timed(one: Callable[[Command], None], command: Command) -> float:
    start = time.perf_counter()
    one(command)
    return time.perf_counter() - start


async def executor_block(executor: Executor, command: Command) -> list[float]:
    taken = []
    for _ in range(_BLOCK):
        start = time.perf_counter()
        await by_executor(executor, command)
        taken.append(time.perf_counter() - start)
    return taken


async def executor_pairs(executor: Executor, command: Command) -> list[float]:
    async def half() -> None:
        for _ in range(_BLOCK // 2):
            await by_executor(executor, command)

    start = time.perf_counter()
    await asyncio.gather(half(), half())
    return [(time.perf_counter() - start) / _BLOCK]


def bare_pairs(
    threads: ThreadPoolExecutor, one: Callable[[Command], None], command: Command
) -> list[float]:
    def half() -> None:
        for _ in range(_BLOCK // 2):
            one(command)

    start = time.perf_counter()
    for task in [threads.submit(half), threads.submit(half)]:
        task.result()
    return [(time.perf_counter() - start) / _BLOCK]


Way = Callable[[], Awaitable[list[float]]]


def ways(
    executor: Executor, threads: ThreadPoolExecutor, command: Command
) -> dict[str, dict[str, Way]]:
    """By how many are at work at a time, then by who runs them."""

    def bare(block: Callable[[], list[float]]) -> Way:
        async def way() -> list[float]:
            return block()

        return way

    return {
        "one at a time": {
            "executor": lambda: executor_block(executor, command),
            "subprocess": bare(lambda: bare_block(piped, command)),
            "posix_spawn": bare(lambda: bare_block(spawn, command)),
        },
        "two at a time": {
            "executor": lambda: executor_pairs(executor, command),
            "subprocess": bare(lambda: bare_pairs(threads, piped, command)),
            "posix_spawn": bare(lambda: bare_pairs(threads, spawn, command)),
        },
    }


async def measure(steps: int, argv: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    (kind,) = tidemill_local.tidemill_executors()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as threads:
        executor = kind.factory(ExecutorContext(Path(folder, "scratch"), leased=True))
        executor.extend(3600, boot_time())
        env = inherited() | {"TIDE_OUTPUT": folder, "TMPDIR": folder, "TIDE_PROJECT": folder}
        command = Command(tuple(argv), env, Path(folder))
        plan = ways(executor, threads, command)
        taken = {load: {name: list[float]() for name in who} for load, who in plan.items()}
        try:
            for turn in range(1 + max(1, steps // _BLOCK)):
                for load, who in plan.items():
                    for name, way in who.items():
                        block = await way()
                        if turn:  # the first one warms up
                            taken[load][name] += block
        finally:
            await executor.close()
    return taken


def _show(title: str, load: str, taken: dict[str, list[float]]) -> bool:
    """Whether the target is met."""
    for name, times in taken.items():
        times.sort()
        print(f"| {title} | {load} | {name} | {_us(_median(times))} | {_us(_p90(times))} |", end="")
        own = taken["executor"]
        print(f" {_median(own) / _median(times):.2f} | {_p90(own) / _p90(times):.2f} |")
    return _median(taken["executor"]) <= TARGET * _median(taken["subprocess"])


def _median(times: list[float]) -> float:
    return statistics.median(times)


def _p90(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.9)]


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:.0f}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="local_overhead", description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--strict", action="store_true", help="1 where the target is missed")
    options = parser.parse_args()
    print("| command | load | who | median us | p90 us | executor's median by it | p90 |")
    print("|---" * 7 + "|")
    met = True
    commands = {
        "true": [shutil.which("true") or "true"],
        "sh -e -c true": ["sh", "-e", "-c", "true"],
    }
    for title, argv in commands.items():
        for load, taken in asyncio.run(measure(options.steps, argv)).items():
            met = _show(title, load, taken) and met
    print(f"\ntarget: at most {TARGET:g} times subprocess: {'met' if met else 'NOT MET'}")
    return 1 if options.strict and not met else 0


if __name__ == "__main__":
    raise SystemExit(main())
