"""A whole engine in one test: real store, broker, scheduler and worker on a virtual
clock, with an executor whose steps end when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tidelang import codec
from tidelang.definition import Definition, Script, Step
from tidemill.app.records import FileRecords
from tidemill.app.secrets import installed_secrets
from tidemill.artifacts.folder import FolderArtifacts
from tidemill.artifacts.results import FolderResults
from tidemill.broker.in_process import InProcessBroker
from tidemill.engine.create import NewRun, create_run
from tidemill.engine.scheduler import Scheduler
from tidemill.model.messages import Output
from tidemill.model.plan import make_plan
from tidemill.model.rows import LateRow, RunRow, TaskRow
from tidemill.ports import Secrets
from tidemill.spi import (
    Handle,
    Outcome,
    SavedFile,
    StartError,
    StepIO,
    Work,
    exited,
    killed,
)
from tidemill.store.database import open_sqlite
from tidemill.store.sql import SqlStore
from tidemill.testing.clock import VirtualClock
from tidemill.worker.worker import Worker

LEASE = 30.0


@dataclass(slots=True)
class Started:
    """A step at work: `end` ends it."""

    work: Work
    io: StepIO
    over: asyncio.Future[Outcome]
    stops: list[float] = field(default_factory=list)
    written: bytes = b""

    def say(self, data: bytes) -> None:
        self.written += data
        self.io.write(data)

    def end(self, code: int = 0, values: bytes = b"") -> None:
        if not self.over.done():
            self.over.set_result(exited(code, values=values))


class ScriptedExecutor:
    """`on_stop` False makes steps that ignore being stopped. It outlives every worker."""

    self_fencing = False
    recovers = True

    def __init__(self) -> None:
        self.started: dict[str, list[Started]] = {}
        self.on_stop = True
        self.busy: list[str] = []
        self.recovered: list[str] = []
        self.cannot_tell = False

    async def prepare(self, work: Work) -> None: ...

    def discard(self, work: Work) -> None: ...

    async def start(self, work: Work, io: StepIO) -> Handle:
        running = [s for s in self.started.get(work.step, []) if not s.over.done()]
        assert not running, f"two attempts of {work.step} at work at once"
        over: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.started.setdefault(work.step, []).append(Started(work, io, over))
        return Handle(work.id)

    def find(self, handle: Handle) -> Started:
        return next(s for all_ in self.started.values() for s in all_ if s.work.id == handle.token)

    async def wait(self, handle: Handle) -> Outcome:
        return await asyncio.shield(self.find(handle).over)

    async def stop(self, handle: Handle, grace: float) -> None:
        step = self.find(handle)
        step.stops.append(grace)
        if self.on_stop and not step.over.done():
            step.over.set_result(killed(15))

    def extend(self, seconds: float, since: float) -> None: ...

    async def restore(self, work: Work, files: Sequence[SavedFile]) -> None:
        for file in files:
            path = work.project / work.workdir / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.source.read_bytes())

    async def recover(
        self, token: str, work: Work | None = None, io: StepIO | None = None
    ) -> Handle | None:
        self.recovered.append(token)
        if self.cannot_tell:
            raise StartError("the engine does not answer")
        for step in (s for all_ in self.started.values() for s in all_):
            if step.work.id == token:
                if work is not None and io is not None:
                    step.work, step.io = work, io
                    io.write(step.written)
                return Handle(token)
        return None

    async def close(self) -> None: ...


class _Executors:
    def __init__(self, executor: ScriptedExecutor) -> None:
        self._executor = executor

    def get(self, kind: str) -> ScriptedExecutor:
        del kind
        return self._executor

    def settings(self, kind: str, values: Mapping[str, Any]) -> Any:
        del kind, values
        return None

    def extend(self, seconds: float, since: float) -> None: ...

    async def close(self) -> None: ...


class World:
    """One run of `steps`, driven step by step."""

    def __init__(
        self,
        folder: Path,
        steps: Sequence[Step],
        *,
        slots: int = 4,
        later: float = 0.0,
        fresh: bool = False,
        **options: Any,
    ) -> None:
        self.clock = VirtualClock(1_000_000.0 + later)
        self.fresh = fresh
        self.engine = open_sqlite(folder / "tidemill.db")
        self.store = SqlStore(self.engine)
        self.executor = ScriptedExecutor()
        self.definition = Definition("p", steps=tuple(steps), **options)
        self.plan = make_plan(self.definition, {})
        self.run = self.make(frozenset(range(self.plan.size)), {})
        self.broker = InProcessBroker(self.clock, lambda output: self.output.append(output))
        self.scheduler = Scheduler(
            self.store, self.broker, self.clock, self, run=self.run.number, lease=LEASE
        )
        self.folder, self.slots = folder, slots
        self.output: list[Output] = []
        self.records: FileRecords | None = None
        self.secrets: Secrets = installed_secrets(folder)
        self.worker = self.new_worker()
        self.tasks: list[asyncio.Task[None]] = []
        self.seen: list[RunRow | TaskRow] = []

    def new_worker(self) -> Worker:
        return Worker(
            "w1",
            self.broker,
            self.clock,
            _Executors(self.executor),
            FolderArtifacts(self.folder / "artifacts"),
            self.secrets,
            FolderResults(self.folder / "results"),
            self.folder,
            slots=self.slots,
            lease=LEASE,
            records=self.records,
        )

    def make(self, chosen: frozenset[int], carried: Mapping[int, TaskRow]) -> RunRow:
        new = NewRun(
            self.plan,
            codec.digest(self.definition),
            codec.encode(self.definition),
            "p.tide",
            chosen,
            carried,
            fresh=self.fresh,
            pooled=True,
        )
        return self.store.transact_now(lambda tx: create_run(tx, new, self.clock.now()))

    def changed(self, runs: Sequence[RunRow], tasks: Sequence[TaskRow]) -> None:
        self.seen.extend([*runs, *tasks])

    def late(self, found: Sequence[LateRow]) -> None: ...

    def told(self) -> None: ...

    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        self.tasks = [
            asyncio.create_task(self.scheduler.drive()),
            asyncio.create_task(self.worker.run()),
        ]
        await self.clock.advance(0.1)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self.tasks:
            task.cancel()
        found = await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.store.close()
        bad = [e for e in found if isinstance(e, Exception)]
        assert not bad, bad

    async def settle(self) -> None:
        """Waits for the work that is done in threads, of which the clock knows nothing:
        there is only one, so what is behind it has been done."""
        for _ in range(10):
            await asyncio.to_thread(lambda: None)
            await self.clock.advance(0)

    async def end(self, key: str, code: int = 0, values: bytes = b"") -> None:
        self.executor.started[key][-1].end(code, values)
        await self.clock.advance(0.1)

    def state(self, key: str) -> str:
        return self.row(key).state.value

    def row(self, key: str) -> TaskRow:
        rows = self.store.transact_now(lambda tx: tx.all_tasks(self.run.number))
        return next(row for row in rows if row.key == key)

    def run_state(self) -> str:
        (run,) = self.store.transact_now(lambda tx: tx.runs([self.run.number]))
        return run.state.value

    def at_work(self) -> list[str]:
        return sorted(
            key for key, all_ in self.executor.started.items() if not all_[-1].over.done()
        )

    def refused(self) -> int:
        with self.engine.connect() as connection:
            query = "SELECT count(*) FROM outbox WHERE kind = 'refused'"
            return int(connection.exec_driver_sql(query).scalar() or 0)


def step(name: str, *needs: str, **options: Any) -> Step:
    return Step(name, Script(("true",)), needs=needs, **options)
