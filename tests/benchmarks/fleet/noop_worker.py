"""A worker whose executor does nothing: what the fleet itself costs."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tidemill.app import processes
from tidemill.app.fleet import Fleet
from tidemill.app.health import Health
from tidemill.app.processes import WorkerOptions, run_worker
from tidemill.project import find_project
from tidemill.spi import Handle, Outcome, SavedFile, StepIO, Work, exited


class Noop:
    self_fencing = False

    def __init__(self, scratch: Path, *, leased: bool) -> None:
        del scratch, leased

    def get(self, kind: str) -> Noop:
        del kind
        return self

    def warm(self, kinds: Iterable[str]) -> None: ...

    def settings(self, kind: str, values: Mapping[str, Any]) -> None:
        del kind, values

    async def prepare(self, work: Work) -> None: ...

    async def start(self, work: Work, io: StepIO) -> Handle:
        del io
        return Handle(work.id)

    async def wait(self, handle: Handle) -> Outcome:
        if self.seconds:
            await asyncio.sleep(self.seconds)
        del handle
        return exited(0)

    async def stop(self, handle: Handle, grace: float) -> None: ...

    def extend(self, seconds: float, since: float) -> None: ...

    async def restore(self, work: Work, files: Sequence[SavedFile]) -> None: ...

    async def recover(self, token: str) -> Handle | None:
        del token
        return None

    async def close(self) -> None: ...

    seconds = 0.0


if __name__ == "__main__":
    url, slots, seconds = sys.argv[1:4]
    logging.basicConfig(level=logging.WARNING)
    Noop.seconds = float(seconds)
    processes.InstalledExecutors = Noop  # type: ignore[assignment,misc]
    asyncio.run(
        run_worker(
            find_project(Path.cwd()),
            Fleet(nats=url),
            WorkerOptions(slots=int(slots)),
            health=Health(),
        )
    )
