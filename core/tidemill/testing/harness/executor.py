"""The executor in the place of every other: steps do what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never

from tidemill.spi import Handle, Outcome, SavedFile, StartError, StepIO, Work, killed
from tidemill.spi.files import collect
from tidemill.testing.harness.calls import Ends, seconds_of

Answer = Callable[[Work, str], tuple[Ends, Outcome]]
"""What becomes of this work of an executor of this kind."""


@dataclass(slots=True)
class _Running:
    work: Work
    io: StepIO
    ends: Ends
    over: asyncio.Future[Outcome]

    def end(self, outcome: Outcome) -> None:
        if not self.over.done():
            self.over.set_result(outcome)


class MockExecutors:
    """See `tidemill.ports.Executors`. What is wrong with the test goes to `complain`; the
    step that it is about goes nowhere from there."""

    def __init__(
        self, answer: Answer, complain: Callable[[BaseException], None], scratch: Path
    ) -> None:
        self.answer, self.complain, self.scratch = answer, complain, scratch
        self._made: dict[str, MockExecutor] = {}

    def get(self, kind: str) -> MockExecutor:
        return self._made.setdefault(kind, MockExecutor(self, kind))

    def settings(self, kind: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
        del kind
        return dict(values)

    def extend(self, seconds: float, since: float) -> None: ...

    async def close(self) -> None: ...

    def at_work(self) -> list[str]:
        """The steps that have not ended."""
        running = [each for made in self._made.values() for each in made.steps.values()]
        return sorted(each.work.step for each in running if not each.over.done())


class MockExecutor:
    """A `tidemill.spi.Executor`."""

    self_fencing = False
    recovers = False

    def __init__(self, shared: MockExecutors, kind: str) -> None:
        self.steps: dict[str, _Running] = {}
        self._shared, self._kind = shared, kind

    async def prepare(self, work: Work) -> None: ...

    def discard(self, work: Work) -> None: ...

    async def start(self, work: Work, io: StepIO) -> Handle:
        ends, outcome, takes = await self._asked(work)
        if ends.error:
            raise StartError(ends.error)
        io.write(ends.prints.encode())
        loop = asyncio.get_running_loop()
        running = self.steps[work.id] = _Running(work, io, ends, loop.create_future())
        if takes != float("inf"):
            loop.call_later(takes, running.end, outcome)
        return Handle(work.id)

    async def _asked(self, work: Work) -> tuple[Ends, Outcome, float]:
        try:
            ends, outcome = self._shared.answer(work, self._kind)
            return ends, outcome, seconds_of(ends.takes)
        except Exception as error:  # noqa: BLE001  the test sees it, whatever it is
            self._shared.complain(error)
            never: asyncio.Future[Never] = asyncio.get_running_loop().create_future()
            return await never

    async def wait(self, handle: Handle) -> Outcome:
        running = self.steps[handle.token]
        outcome = await running.over
        if outcome.ok:
            await self._save(running)
        return outcome

    async def _save(self, running: _Running) -> None:
        """Its files lie in a folder of their own: the project is not touched."""
        workdir = self._shared.scratch / running.work.id
        workdir.mkdir(parents=True)
        for name, content in running.ends.files.items():
            path = workdir / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        for output in running.work.outputs:
            for name, path in collect(workdir, output):
                await running.io.save_file(output.name, name, path)

    async def stop(self, handle: Handle, grace: float) -> None:
        del grace
        self.steps[handle.token].end(killed(15))

    def extend(self, seconds: float, since: float) -> None: ...

    async def restore(self, work: Work, files: Sequence[SavedFile]) -> None: ...

    async def recover(
        self, token: str, work: Work | None = None, io: StepIO | None = None
    ) -> Handle | None:
        del token, work, io
        return None

    async def close(self) -> None: ...
