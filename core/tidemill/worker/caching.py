"""The cache of one attempt: whether an earlier result may be used in its place, and the
keeping of a new one.

Nothing that is wrong with the cache fails a step: it runs then, and says why. Only an
input that cannot be read does, since nobody could say what the step is made of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tidemill.errors import TidemillError
from tidemill.model.fingerprint import Fingerprint, fingerprint
from tidemill.model.messages import NO_RESULT, CacheReport, CacheRule, Order
from tidemill.model.outputs import FILES, is_files
from tidemill.ports import CachedResult, Clock, Results
from tidemill.spi import SavedFile
from tidemill.worker.holding import Held
from tidemill.worker.input_files import Inputs, read_inputs, unchanged

FORBIDDEN = "the run was started with --no-cache"


class _MissError(Exception):
    """There is no result that could be used; the text says why."""


@dataclass(slots=True)
class StepCache:
    """Of an order with a cache rule. `say` takes lines for the log of the attempt."""

    order: Order
    rule: CacheRule
    results: Results
    artifacts: Held
    clock: Clock
    project: Path
    say: Callable[[str], None]
    report: CacheReport | None = None
    """What was found; None until `look` has looked."""
    _inputs: Inputs = field(default_factory=lambda: Inputs((), ()))
    _print: Fingerprint = field(default_factory=lambda: Fingerprint("", {}))

    async def look(self) -> CachedResult | None:
        """The result to use, if there is one.

        Raises:
            TidemillError: an input cannot be read.
        """
        self._inputs = await asyncio.to_thread(read_inputs, self.project, self.rule.inputs)
        for pattern in self._inputs.unmatched:
            self.say(f"cache: no file matches the input {pattern!r}")
        self._print = fingerprint(self.order, (file.part for file in self._inputs.files))
        self.report = CacheReport(self._print.key, self._print.parts)
        try:
            found = await self._usable()
        except _MissError as miss:
            self.missed(str(miss))
            return None
        self.report = replace(self.report, hit=found.run)
        return found

    def missed(self, reason: str) -> None:
        """No result is used after all."""
        if self.report is not None:
            self.report = replace(self.report, hit=None, reason=reason)
        if reason not in (NO_RESULT, FORBIDDEN):
            self.say(f"cache: {reason}")

    async def files_of(self, result: CachedResult) -> list[SavedFile]:
        """The files of a result that was found.

        Raises:
            TidemillError: one is not there, or damaged.
        """
        return [
            SavedFile(
                file["name"],
                await self.artifacts.get(file["digest"]),
                executable=bool(file.get("executable")),
            )
            for file in _files(result.outputs)
        ]

    async def keep(self, outputs: Mapping[str, Any]) -> None:
        """Stores the outputs of the step that has just succeeded. Those of a step whose
        inputs changed while it ran may be of either state, and are not stored."""
        patterns = self.rule.inputs
        try:
            if not await asyncio.to_thread(unchanged, self.project, self._inputs, patterns):
                self.say("cache: the result is not kept: an input changed while the step ran")
                return
            await self.results.keep(self._print.key, self._result(outputs))
        except (OSError, TidemillError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            self.say(f"cache: the result could not be kept: {why}")

    async def _usable(self) -> CachedResult:
        if not self.rule.read:
            raise _MissError(FORBIDDEN)
        try:
            found = await self.results.find(self._print.key)
            if found is None:
                raise _MissError(NO_RESULT)
            age = self.clock.now() - found.made_at
            if self.rule.max_age is not None and age > self.rule.max_age:
                raise _MissError(f"the result of run {found.run} is older than `max_age`")
            await self.files_of(found)
            # The run to come tells of them, as if it had made them now.
            for file in _files(found.outputs):
                await self.artifacts.renew(file["digest"])
        except TidemillError as error:
            raise _MissError(f"the result cannot be used: {error}") from None
        return found

    def _result(self, outputs: Mapping[str, Any]) -> CachedResult:
        return CachedResult(
            pipeline=self.order.env.get("TIDE_PIPELINE", ""),
            task=self.order.key,
            run=self.order.ref.run,
            made_at=self.clock.now(),
            outputs=outputs,
            parts=self._print.parts,
        )


def _files(outputs: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for stored in outputs.values():
        if is_files(stored):
            yield from stored[FILES]
