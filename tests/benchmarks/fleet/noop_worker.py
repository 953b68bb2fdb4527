"""A worker whose executor starts no process: what the fleet itself costs.

A step takes `--seconds`, in its own time. `["tick", LANE, LINK]` ends at the moment that
`--rate` and a seed have fixed for it beforehand, whatever was late until then: so what waits
for it becomes ready at a rate that does not give way.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from drip import LANES, LINKS

from tidemill.app.fleet import Fleet
from tidemill.app.health import Health
from tidemill.app.processes import worker
from tidemill.app.processes.worker import WorkerOptions
from tidemill.project import find_project
from tidemill.spi import ArgvAction, Handle, Outcome, SavedFile, StepIO, Work, exited

HEAD_START = 3.0
"""Seconds between the first tick's start and its end, so that all lanes are there by then."""


class Ticks:
    """When ticks end: a Poisson process of so many a second, the same in every run."""

    def __init__(self, rate: float) -> None:
        dice = random.Random(1)  # noqa: S311
        gaps = (dice.expovariate(rate) if rate else 0.0 for _ in range(LANES * LINKS))
        self._after = list(itertools.accumulate(gaps))
        self._since: float | None = None

    async def end(self, lane: int, link: int) -> None:
        if self._since is None:
            self._since = time.monotonic() + HEAD_START
        until = self._since + self._after[link * LANES + lane]
        await asyncio.sleep(max(until - time.monotonic(), 0))


class Noop:
    seconds = 0.0
    ticks = Ticks(0)
    self_fencing = False
    recovers = False

    def __init__(self, scratch: Path, *, leased: bool, recoverable: bool) -> None:
        del scratch, leased, recoverable
        self._ticking: dict[str, tuple[int, int]] = {}

    def get(self, kind: str) -> Noop:
        del kind
        return self

    def warm(self, kinds: Iterable[str]) -> None: ...

    def settings(self, kind: str, values: Mapping[str, Any]) -> None:
        del kind, values

    async def prepare(self, work: Work) -> None: ...

    def discard(self, work: Work) -> None: ...

    async def start(self, work: Work, io: StepIO) -> Handle:
        del io
        if isinstance(work.action, ArgvAction) and work.action.argv[0] == "tick":
            _, lane, link = work.action.argv
            self._ticking[work.id] = int(lane), int(link)
        return Handle(work.id)

    async def wait(self, handle: Handle) -> Outcome:
        if tick := self._ticking.pop(handle.token, None):
            await self.ticks.end(*tick)
        elif self.seconds:
            await asyncio.sleep(self.seconds)
        return exited(0)

    async def stop(self, handle: Handle, grace: float) -> None: ...

    def extend(self, seconds: float, since: float) -> None: ...

    async def restore(self, work: Work, files: Sequence[SavedFile]) -> None: ...

    async def recover(
        self, token: str, work: Work | None = None, io: StepIO | None = None
    ) -> Handle | None:
        del token, work, io
        return None

    async def close(self) -> None: ...


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--nats", required=True)
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--lease", type=float, default=30.0)
    return parser.parse_args()


async def _work(given: argparse.Namespace) -> None:
    await worker.run_worker(
        find_project(Path.cwd()),
        Fleet(nats=given.nats),
        WorkerOptions(slots=given.slots),
        health=Health(),
        lease=given.lease,
    )


if __name__ == "__main__":
    given = _options()
    logging.basicConfig(level=logging.WARNING)
    Noop.seconds, Noop.ticks = given.seconds, Ticks(given.rate)
    with mock.patch.object(worker, "InstalledExecutors", Noop):
        asyncio.run(_work(given))
