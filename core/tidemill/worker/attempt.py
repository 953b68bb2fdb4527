"""One attempt on a worker: from an order to a result.

Whatever happens, a result comes out of it; the time-out and the wish to stop are the
engine's here, so that they are the same for every executor. An order that is for a later time
is reserved first: `tidemill.worker.reservation`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tidelang.shell import FillError
from tidemill.errors import TidemillError
from tidemill.model.messages import CacheReport, Order, Result
from tidemill.ports import (
    Artifacts,
    Begun,
    CachedResult,
    Clock,
    Executors,
    Records,
    Results,
    Secrets,
    Timer,
    WorkerEnd,
)
from tidemill.spi import (
    ArgvAction,
    Executor,
    Handle,
    InputFile,
    Outcome,
    OutputFile,
    Reason,
    ScriptAction,
    StartError,
    Work,
    cancelled,
    exited,
    failed_to_start,
    lost,
    timed_out,
)
from tidemill.worker.caching import StepCache
from tidemill.worker.holding import Held
from tidemill.worker.outputs import Outputs
from tidemill.worker.reservation import Reservation
from tidemill.worker.secrets import SALT, Unlocked, unlock
from tidemill.worker.step_log import StepLog

log = logging.getLogger(__name__)

TIMEOUT_GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL for a step that runs into its time-out."""


@dataclass(slots=True)
class Attempt:
    """Carries out `order`; see `run`."""

    order: Order
    worker: str
    broker: WorkerEnd
    clock: Clock
    executors: Executors
    artifacts: Artifacts
    secrets: Secrets
    results: Results
    project: Path
    may_begin: Callable[[], bool] = lambda: True
    records: Records | None = None
    _reservation: Reservation | None = field(init=False, default=None)
    _unlocked: Unlocked | None = None
    _executor: Executor | None = None
    _handle: Handle | None = None
    _stop_grace: float | None = None
    _timed_out: bool = False
    _lost: bool = False
    _stopping: asyncio.Future[None] | None = None
    _cache: StepCache | None = None
    _held: Held = field(init=False)
    _log: StepLog = field(init=False)
    _outputs: Outputs = field(init=False)
    _record: Begun | None = None
    _seal: str | None = None
    _prepared: tuple[Executor, Work] | None = None
    _started_at: float = 0.0

    def __post_init__(self) -> None:
        self._held = Held(self.artifacts)
        self._log = StepLog(self.order, self.broker)
        self._outputs = Outputs(self.order, self.artifacts)
        if self.order.start_at is not None:
            self._reservation = Reservation(
                self.order, self.worker, self.broker, self.clock, self.may_begin
            )

    @property
    def is_reserved(self) -> bool:
        """Whether it has yet to be begun."""
        return self._reservation is not None and not self._reservation.begun

    async def run(self) -> Result:
        """Starts the step, waits for its end, and says how it was. Never raises for
        anything that the step, its settings or its files can bring about."""
        try:
            if self._reservation is not None and not await self._reservation.wait(
                self._get_ready()
            ):
                return self._not_begun()
            return await self._begun()
        finally:
            self._discard()
            self._held.release()

    async def _begun(self) -> Result:
        started_at = self._started_at = self._started_at or self.clock.now()
        try:
            self._log.hide((await self.unlock()).mask)
            kept, outcome = await self._result_of(AttemptIO(self._log, self._outputs))
        except (TidemillError, StartError, FillError) as error:
            kept, outcome = {}, failed_to_start(_sentence(error))
        except OSError as error:
            kept, outcome = {}, failed_to_start(f"{error.filename or 'a file'}: {error.strerror}")
        except Exception as error:  # noqa: BLE001  logged with its traceback
            # A plugin's bug must cost its step, not the worker with all it holds.
            self._complain(f"executor {self.order.executor!r} failed on {self.order.key}")
            kept, outcome = {}, failed_to_start(f"executor {self.order.executor!r}: {error!r}")
        return self._ended(started_at, outcome, kept)

    def _ended(self, started_at: float, outcome: Outcome, kept: Mapping[str, Any]) -> Result:
        self._log.close()
        result = self._result(started_at, outcome, kept)
        if self.records is not None and self._record is not None:
            self._record = replace(self._record, result=result)
            self.records.keep(self._record)
        return result

    def forget(self) -> None:
        """Its result is stored: nothing is left to take up."""
        if self.records is not None and self._record is not None:
            self.records.drop(self._record)

    async def stop(self, grace: float) -> None:
        """Stops the step, now or as soon as it has started; a shorter grace later
        shortens the wait."""
        if self._stop_grace is None or grace < self._stop_grace:
            self._stop_grace = grace
            self.give_back()
            await self._stop(grace)

    def give_back(self) -> None:
        """Somebody else may have it, unless it has been begun."""
        if self._reservation is not None:
            self._reservation.withdraw()

    async def give_up(self) -> None:
        """Kills the step, since somebody else may be given it: nobody has confirmed for too
        long that it is still ours."""
        self._lost = True
        await self.stop(0)

    async def _get_ready(self) -> None:
        """Does ahead of time what does not depend on the time. What goes wrong is logged: the
        same comes again when it is begun, or does not."""
        try:
            executor = self.executors.get(self.order.executor)
            await self.unlock()
            await self._make_seal(executor)
            work = self._work(await self._inputs())
            self._prepared = executor, work
            await executor.prepare(work)
        except (TidemillError, StartError, FillError, OSError) as error:
            log.warning("%s cannot be got ready: %s", self.order.key, self._masked(str(error)))
        except Exception:  # noqa: BLE001  logged with its traceback: a plugin's bug
            self._complain(f"executor {self.order.executor!r} cannot get {self.order.key} ready")

    def _discard(self) -> None:
        """What was got ready for a step that was never started is not wanted any more."""
        if self._prepared is None or self._handle is not None:
            return
        executor, work = self._prepared
        try:
            executor.discard(work)
        except Exception:  # noqa: BLE001  logged with its traceback: a plugin's bug
            self._complain(f"executor {self.order.executor!r} cannot discard {self.order.key}")

    async def _make_seal(self, executor: Executor) -> None:
        """It takes long, on purpose."""
        if self._seal is None and self.records is not None and executor.recovers:
            self._seal = await asyncio.to_thread(self._known.seal, os.urandom(SALT))

    async def unlock(self) -> Unlocked:
        """Raises: TidemillError: a secret is not there."""
        if self._unlocked is None:
            self._unlocked = await unlock(self.order, self.secrets)
        return self._unlocked

    @property
    def _known(self) -> Unlocked:
        """The order with the secrets that are known: none, before they were looked up."""
        return self._unlocked or Unlocked(self.order, {})

    def _masked(self, text: str) -> str:
        return self._known.mask.text(text)

    async def _inputs(self) -> list[InputFile]:
        return [InputFile(i.path, await self._held.get(i.digest)) for i in self.order.inputs]

    async def _result_of(self, io: AttemptIO) -> tuple[Mapping[str, Any], Outcome]:
        """Out of the cache, or of the step itself."""
        cache = self._cache = self._step_cache()
        if cache is None:
            return self._outputs.of(await self._carry_out(io), self._known)
        found = await cache.look()
        if found is not None and await self._restored(cache, found):
            return found.outputs, replace(exited(0), detail=f"cached from run {found.run}")
        kept, outcome = self._outputs.of(await self._carry_out(io), self._known)
        if outcome.ok:
            await cache.keep(kept)
        return kept, outcome

    def _step_cache(self) -> StepCache | None:
        rule = self.order.cache
        if rule is None:
            return None
        return StepCache(
            self.order, rule, self.results, self._held, self.clock, self.project, self._log.note
        )

    async def _restored(self, cache: StepCache, found: CachedResult) -> bool:
        """Whether the files of a result are where the step would have left them."""
        files = await cache.files_of(found)
        if files:
            executor = self._executor = self.executors.get(self.order.executor)
            try:
                await executor.restore(self._work(()), files)
            except OSError as error:
                cache.missed(f"{error.filename or 'a file'} cannot be put back: {error.strerror}")
                return False
        self._log.note(f"cached: nothing has changed since run {found.run}")
        return True

    async def _carry_out(self, io: AttemptIO) -> Outcome:
        executor = self._executor = self.executors.get(self.order.executor)
        work = self._work(await self._inputs())
        if self._stop_grace is not None:
            return self._judged(cancelled())
        await self._make_seal(executor)
        self._handle = await executor.start(work, io)
        begun_at = self.clock.now()
        if self._seal is not None:
            self._write_down(self._handle.token, begun_at, self._seal)
        return await self._see_out(executor, self._handle, begun_at)

    def _write_down(self, token: str, begun_at: float, seal: str) -> None:
        """For the next process of this worker, if this one is killed."""
        noted, cache = self._log.noted, self._cache_report
        self._record = Begun(self.order, token, self._started_at, begun_at, noted, seal, cache)
        if self.records is not None:
            self.records.keep(self._record)

    async def _see_out(self, executor: Executor, handle: Handle, begun_at: float) -> Outcome:
        """Until it has ended, or its time has, which counts from `begun_at`."""
        if self._stop_grace is not None:
            await self._stop(self._stop_grace)
        timer = self._start_timer(begun_at)
        try:
            outcome = await executor.wait(handle)
        finally:
            if timer is not None:
                timer.cancel()
        return self._judged(outcome)

    def _judged(self, outcome: Outcome) -> Outcome:
        """Why it really ended: a stopped step is not a failed one."""
        if self._lost:
            return lost("killed by its worker, which had lost contact with the schedulers")
        if self._timed_out and self.order.timeout is not None:
            return timed_out(self.order.timeout, usage=outcome.usage)
        if self._stop_grace is not None and outcome.reason is not Reason.LOST:
            return cancelled(usage=outcome.usage)
        return outcome

    def _start_timer(self, begun_at: float) -> Timer | None:
        if self.order.timeout is None:
            return None
        return self.clock.call_at(begun_at + self.order.timeout, self._time_out)

    def _time_out(self) -> None:
        self._timed_out = True
        self._stopping = asyncio.ensure_future(self._stop(TIMEOUT_GRACE))

    async def _stop(self, grace: float) -> None:
        if self._executor is None or self._handle is None:
            return
        try:
            await self._executor.stop(self._handle, grace)
        except Exception:  # noqa: BLE001  logged with its traceback
            # A plugin's bug: the step goes on to its end, and so does all else here.
            self._complain(f"executor {self.order.executor!r} cannot stop {self.order.key}")

    def _complain(self, what: str) -> None:
        """An unexpected error with its traceback, in which no secret stands."""
        log.error("%s\n%s", what, self._masked(traceback.format_exc()))

    def _work(self, inputs: Sequence[InputFile]) -> Work:
        """The order with everything added that only this worker knows."""
        order = self.order
        work_id = f"{order.ref.run}.{order.ref.ordinal}.{order.fence}"
        return Work(
            id=work_id,
            run=order.ref.run,
            step=order.key,
            attempt=order.attempt,
            fence=order.fence,
            action=_action(order),
            project=self.project,
            settings=self.executors.settings(order.executor, self._known.settings),
            env=self._known.env,
            workdir=order.workdir,
            inputs=tuple(inputs),
            outputs=tuple(OutputFile(name, glob) for name, glob in order.globs.items()),
        )

    @property
    def _cache_report(self) -> CacheReport | None:
        if self._cache is not None:
            return self._cache.report
        return None if self._record is None else self._record.cache

    def _not_begun(self) -> Result:
        now, order = self.clock.now(), self.order
        reason = Reason.LOST if self._lost or self._stop_grace is None else Reason.CANCELLED
        detail = "given back before it was begun"
        return Result(
            order.ref, order.fence, self.worker, now, now, reason.value, detail=detail, begun=False
        )

    def _result(self, started_at: float, outcome: Outcome, kept: Mapping[str, Any]) -> Result:
        return Result(
            ref=self.order.ref,
            fence=self.order.fence,
            worker=self.worker,
            started_at=started_at,
            ended_at=self.clock.now(),
            reason=outcome.reason.value,
            exit_code=outcome.code,
            signal=outcome.signal,
            detail=_clean(self._masked(outcome.detail)) or _signal_words(outcome),
            cache=self._cache_report,
            outputs=dict(kept),
            cpu_seconds=outcome.usage.cpu_seconds,
            peak_memory=outcome.usage.peak_memory,
        )


@dataclass(frozen=True, slots=True)
class AttemptIO:
    log: StepLog
    outputs: Outputs

    def write(self, data: bytes) -> None:
        self.log.write(data)

    async def save_file(self, output: str, name: str, source: Path) -> None:
        await self.outputs.store(output, name, source)


def _action(order: Order) -> ScriptAction | ArgvAction:
    if order.argv is not None:
        return ArgvAction(order.argv)
    script = order.script or {}
    return ScriptAction(script["text"], tuple(script["interpreter"]), bool(script["in_file"]))


def _signal_words(outcome: Outcome) -> str:
    if outcome.signal is None:
        return ""
    try:
        return f"killed by {signal.Signals(outcome.signal).name}"
    except ValueError:
        return f"killed by signal {outcome.signal}"


def _sentence(error: Exception) -> str:
    hint = getattr(error, "hint", "")
    return f"{error} ({'; '.join(hint.splitlines())})" if hint else str(error)


def _clean(text: str) -> str:
    """Text that every database and encoding takes."""
    return text.replace("\0", "\\0").encode("utf-8", "replace").decode()
