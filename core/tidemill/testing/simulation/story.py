"""A story: a fleet, work for it, bad luck for a while, and then a good end."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tidemill.model.rows import RunRow
from tidemill.testing.simulation.database import Database
from tidemill.testing.simulation.ends import Wire
from tidemill.testing.simulation.faults import BadLuck
from tidemill.testing.simulation.fleet import Fleet
from tidemill.testing.simulation.network import Network
from tidemill.testing.simulation.people import People
from tidemill.testing.simulation.pipelines import BY_NAME, HEARS, TICK
from tidemill.testing.simulation.planners import Planners
from tidemill.testing.simulation.post import Post
from tidemill.testing.simulation.promises import BrokenPromiseError, Promises
from tidemill.testing.simulation.server import Server
from tidemill.testing.simulation.time import VirtualLoop

TROUBLE_SECONDS = 150.0
"""How long faults come; after them everything heals."""

WORK_SECONDS = 140.0
"""How long work comes."""

END_SECONDS = 1_500.0
"""By when everything has to have ended."""

QUIET_SECONDS = 12.0
"""How long it is looked at what still comes when all has ended."""

LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Report:
    """What happened in a simulation that kept all promises. `fingerprint` differs where
    anything at all went another way."""

    seed: int
    runs: Mapping[str, int]
    tasks: Mapping[str, int]
    attempts: int
    faults: Mapping[str, int]
    seconds: float
    fingerprint: int


def simulate(
    seed: int,
    *,
    trouble: bool = True,
    only: Sequence[str] = (),
    tell: Callable[[str], None] | None = None,
) -> Report:
    """Tells one story, line by line to whoever wants to hear it; with bad luck of these
    kinds `only`, or of some.

    Raises:
        BrokenPromiseError: a promise was broken; the seed is in the text.
    """
    with _no_collection():
        loop = VirtualLoop()
        asyncio.set_event_loop(loop)
        try:
            story = Story(loop, seed, tell)
            try:
                return loop.run_until_complete(story.tell(trouble=trouble, only=only))
            except BrokenPromiseError as error:
                raise BrokenPromiseError(f"seed {seed}: {error}") from error
            finally:
                story.close()
        finally:
            asyncio.set_event_loop(None)
            loop.close()


@contextmanager
def _no_collection() -> Iterator[None]:
    """A story is short, and looking for its garbage takes a tenth of its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Story:
    """See `simulate`. Each part has dice of its own, so that what one does leaves the
    others as they are."""

    def __init__(
        self, loop: VirtualLoop, seed: int, tell: Callable[[str], None] | None = None
    ) -> None:
        self._loop, self._seed, self._tell = loop, seed, tell
        self._dice = [random.Random(f"{seed} {part}") for part in range(7)]  # noqa: S311
        told = None if tell is None else self._told
        self._failed: asyncio.Future[None] = loop.create_future()
        loop.set_exception_handler(self._unheard)
        self._promises = Promises(loop.time, self._fail, told)
        self._network = Network(loop, self._dice[0])
        self._wire = Wire(self._network, Server(self._network, told=told))
        self._post = Post(self._network, self._dice[5])
        self._database = Database(self._network, self._dice[1], self._promises)

    async def tell(self, *, trouble: bool, only: Sequence[str]) -> Report:
        fleet = Fleet(
            self._dice[2], self._wire, self._database, self._promises, self._post, self._spawn
        )
        people = People(self._dice[3], self._database, self._wire, self._promises)
        planners = Planners(
            self._dice[6], self._database, self._wire, self._promises.timetable, people.beside
        )
        self._database.now(planners.apply)
        luck = BadLuck(fleet, self._dice[4], only)
        fleet.start(schedulers=2, workers=3)
        parts = [self._spawn(each.work(WORK_SECONDS)) for each in (people, planners)]
        if trouble:
            parts.append(self._spawn(luck.strike(TROUBLE_SECONDS)))
        ending = self._spawn(self._until_all_ended(parts, people))
        await asyncio.wait((ending, self._failed), return_when=asyncio.FIRST_COMPLETED)
        if self._failed.done():
            self._failed.result()
        ending.result()
        return self._report(luck.counts)

    def close(self) -> None:
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._failed.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        task.add_done_callback(self._watch)
        return task

    def _watch(self, task: asyncio.Task[None]) -> None:
        """A part that fails is no bad luck: it is a bug."""
        if task.cancelled() or task.exception() is None:
            return
        error = task.exception()
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        self._fail(error or RuntimeError())

    def _unheard(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What failed, and nobody asked how it ended; what was cut short is none of it."""
        error = context.get("exception")
        if isinstance(error, Exception):
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """The first one counts: what follows from it is no news."""
        if not self._failed.done():
            self._told(f"BROKEN {error!r}")
            self._failed.set_exception(error)

    def _told(self, what: str) -> None:
        if self._tell is not None:
            self._tell(f"{self._loop.time():9.3f}  {what}")

    # the end

    async def _until_all_ended(self, parts: Sequence[asyncio.Task[None]], people: People) -> None:
        await asyncio.wait(parts)
        self._post.trouble = False
        quiet = 0.0
        while quiet < QUIET_SECONDS:
            if self._loop.time() > END_SECONDS:
                raise BrokenPromiseError(f"not ended after {END_SECONDS:g} s: {self._open()}")
            await asyncio.sleep(LOOK_SECONDS)
            ended = not self._promises.open_runs and not self._promises.at_work
            ended = ended and not self._untold()
            quiet = quiet + LOOK_SECONDS if ended else 0.0
        self._check_schedule()
        self._check_causes(people.sent)
        self._check_post()

    def _untold(self) -> bool:
        return bool(self._database.now(lambda tx: tx.waiting_notices(1)))

    def _check_post(self) -> None:
        """Of every run people were told of all that happened, and in order."""
        for number, run in self._promises.runs.items():
            wrong = self._post.wrong(run, started=number in self._promises.begun_runs)
            if wrong is not None:
                raise BrokenPromiseError(wrong)

    def _open(self) -> str:
        runs = [self._promises.runs[number] for number in sorted(self._promises.open_runs)]
        works = [f"{work} is at work" for work in self._promises.at_work]
        works += ["people have not been told of all"] if self._untold() else []
        return ", ".join([*(f"run {run.number} is {run.state.value}" for run in runs), *works])

    def _check_schedule(self) -> None:
        """One run for each due time of every schedule, and none left out of the one that
        has all made up for, and that nobody changes; the timetable knows of the others."""
        for problem in self._promises.timetable.problems(self._promises.runs):
            raise BrokenPromiseError(problem)
        by_schedule: dict[int, list[RunRow]] = {}
        for run in self._promises.runs.values():
            if run.schedule is not None:
                by_schedule.setdefault(run.schedule, []).append(run)
        for runs in by_schedule.values():
            times = sorted(run.due_at or 0.0 for run in runs)
            for before, after in itertools.pairwise(times):
                if before == after:
                    raise BrokenPromiseError(f"a schedule fired twice for {before}")
                every = (BY_NAME[runs[0].pipeline].schedules[0].every or 0) / 1000
                if runs[0].pipeline == TICK.name and round(after - before, 3) != every:
                    raise BrokenPromiseError(f"a schedule left out {before} to {after}")

    def _check_causes(self, sent: int) -> None:
        """One run for each end of a run that is waited for, and for each event."""
        runs = self._promises.runs.values()
        causes = [r.cause for r in runs if r.pipeline == HEARS.name and r.retry_of is None]
        heard = Counter(cause["run"] for cause in causes if cause["kind"] == "pipeline")
        ended = Counter(run.number for run in runs if run.pipeline == TICK.name)
        if heard != ended:
            raise BrokenPromiseError(f"the ends of {ended} started {heard}")
        news = Counter(cause["arrival"] for cause in causes if cause["kind"] == "event")
        if len(news) != sent or len(news) != news.total():
            raise BrokenPromiseError(f"{sent} events started {news}")

    def _report(self, faults: Counter[str]) -> Report:
        promises = self._promises
        tasks = (task for tasks in promises.tasks.values() for task in tasks.values())
        return Report(
            self._seed,
            Counter(run.state.value for run in promises.runs.values()),
            Counter(task.state.value for task in tasks),
            sum(map(len, promises.starts.values())),
            faults,
            self._loop.time(),
            sum(dice.getrandbits(32) for dice in self._dice),
        )
