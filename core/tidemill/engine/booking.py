"""Books reports and passed timers on tasks, by fence: what is not of the current fence
is refused, and recorded as refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from tidemill.engine.deadlines import PASSED
from tidemill.engine.durations import Took
from tidemill.engine.ledger import Ledger
from tidemill.engine.reserving import started_at
from tidemill.engine.retry import event_of, retry_delay
from tidemill.model.messages import CacheReport, Result, Started, StopAttempt, Voided
from tidemill.model.plan import Plan
from tidemill.model.rows import AttemptRow, DecisionRow, RunRow, TaskRef, TaskRow
from tidemill.model.states import RunState, TaskState
from tidemill.model.transitions import RunEvent, TaskEvent
from tidemill.spi import Reason

GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL for a step that is cancelled."""


@dataclass(slots=True)
class Booking:
    """Works on tasks and runs that the ledger holds."""

    ledger: Ledger
    plan_of: Callable[[int], Plan]
    stops: list[StopAttempt] = field(default_factory=list)
    """Attempts that must be stopped, once this is committed."""
    voids: list[TaskRow] = field(default_factory=list)
    """Offers that must be withdrawn, once this is committed."""
    took: list[Took] = field(default_factory=list)
    """What succeeded, and how long it took."""

    def started(self, report: Started) -> None:
        task = self.ledger.task(report.ref)
        if task is None or task.fence != report.fence or task.state.ended:
            if task is None or task.fence != report.fence:
                self._refuse(report.ref, report.fence, "start", report.worker)
                self.stops.append(StopAttempt(report.ref, report.fence, 0, report.worker))
            return
        if task.state not in {TaskState.QUEUED, TaskState.RESERVED}:
            return  # its result overtook this
        if report.reserved:
            if task.state is TaskState.QUEUED:
                task = self.ledger.move(task, TaskEvent.RESERVE, worker=report.worker)
        else:
            task = self._start(task, report)
        if self.ledger.run(task.run).state is RunState.CANCELLING:
            self.stops.append(StopAttempt(task.ref, task.fence, GRACE, task.worker))

    def _start(self, task: TaskRow, report: Started) -> TaskRow:
        task = self.ledger.move(task, TaskEvent.START, started_at=report.at, worker=report.worker)
        self.ledger.attempt(_attempt(task, report.worker, report.at))
        self._start_run(task.run)
        return task

    def _start_run(self, number: int) -> None:
        """Where a step has begun that was reserved."""
        run = self.ledger.run(number)
        if run.state is RunState.PENDING:
            at = started_at(run, self.ledger.now)
            self.ledger.move_run(number, RunEvent.START, started_at=at)

    def voided(self, report: Voided) -> None:
        task = self.ledger.task(report.ref)
        if task is None or task.fence != report.fence:
            return
        state = TaskState.RESERVED if report.reserved else TaskState.QUEUED
        if task.state is state:
            self._give_up(task)

    def _give_up(self, task: TaskRow) -> None:
        """Nobody has begun with it, and nobody will under this fence."""
        cancelling = self.ledger.run(task.run).state is RunState.CANCELLING
        if cancelling:
            self.ledger.move(task, TaskEvent.CANCEL, detail="the run was cancelled")
        else:
            self.ledger.move(task, TaskEvent.VOID)

    def result(self, report: Result) -> None:
        task = self.ledger.task(report.ref)
        if task is None or task.fence != report.fence or task.state.ended:
            if task is None or task.fence != report.fence:
                self._refuse(report.ref, report.fence, report.reason, report.worker)
            return
        if task.state not in _CLAIMED:  # its offer was forgotten
            self._refuse(report.ref, report.fence, report.reason, report.worker)
            return
        if task.state is not TaskState.QUEUED and task.worker != report.worker:
            self._refuse(report.ref, report.fence, "not the one who claimed it", report.worker)
            return
        if task.state is TaskState.QUEUED and not report.claimed:
            self._refuse(report.ref, report.fence, "nobody knows of its claim", report.worker)
            return
        if not report.begun and task.state is not TaskState.RUNNING:
            self._give_up(task)
            return
        self._start_run(task.run)
        event = event_of(Reason(report.reason), report.exit_code)
        if event is TaskEvent.SUCCEED and (report.cache is None or report.cache.hit is None):
            self.took.append(self._took(task, report))
        detail = report.detail
        self.ledger.attempt(
            _attempt(task, report.worker, report.started_at)._replace(
                ended_at=report.ended_at,
                outcome=report.reason,
                exit_code=report.exit_code,
                signal=report.signal,
                detail=detail,
                cpu_seconds=report.cpu_seconds,
                peak_memory=report.peak_memory,
                cache=None if report.cache is None else _cache_json(report.cache),
            )
        )
        self._end(
            task,
            event,
            started_at=report.started_at,
            ended_at=report.ended_at,
            worker=report.worker,
            exit_code=report.exit_code,
            detail=detail,
            outputs=dict(report.outputs) if event is TaskEvent.SUCCEED else None,
            cached_from=None if report.cache is None else report.cache.hit,
        )

    def _took(self, task: TaskRow, report: Result) -> Took:
        definition = self.plan_of(task.run).definition
        seconds = max(report.ended_at - report.started_at, 0.0)
        return Took(definition.name, definition.steps[task.step].name, seconds)

    def decided(self, decision: DecisionRow) -> None:
        """A person said yes or no. Whoever comes after the end comes too late."""
        task = self.ledger.task(decision.ref)
        if task is None or task.state is not TaskState.AWAITING_APPROVAL:
            return
        word = "approved" if decision.approved else "rejected"
        reason = f": {decision.reason}" if decision.reason else ""
        event = TaskEvent.APPROVE if decision.approved else TaskEvent.REJECT
        self.ledger.move(task, event, detail=f"{word} by {decision.who}{reason}")
        self.ledger.record(
            word, task.run, task.ordinal, by=decision.who, reason=decision.reason, at=decision.at
        )

    def undecided(self, task: TaskRow) -> None:
        """The time that people had is over."""
        self.ledger.move(task, TaskEvent.TIME_OUT, detail="nobody approved or rejected it in time")

    def child_ended(self, task: TaskRow, child: RunRow) -> None:
        """The run that the task was handed over to has ended."""
        event = _EVENTS_OF_CHILDREN[child.state]
        detail = f"run {child.number}"
        if event is not TaskEvent.SUCCEED:
            detail = f"{detail} {'was cancelled' if event is TaskEvent.CANCEL else 'failed'}"
        if event is TaskEvent.CANCEL and self._is_late(task):
            event, detail = TaskEvent.TIME_OUT, f"run {child.number} took longer than the timeout"
        self._end(task, event, detail=detail)

    def _is_late(self, task: TaskRow) -> bool:
        timeout = self.plan_of(task.run).steps[task.step].step.timeout
        if timeout is None or task.started_at is None:
            return False
        return self.ledger.now >= task.started_at + timeout / 1000

    def lost(self, task: TaskRow, detail: str) -> None:
        """The attempt's lease has ended."""
        self._attempt_lost(task, detail)
        self.stops.append(StopAttempt(task.ref, task.fence, 0, task.worker))
        self._end(task, TaskEvent.LOSE, detail=detail)

    def forgotten(self, task: TaskRow) -> None:
        """The broker has lost whether anybody had claimed the offer. Who has is not at work
        any more; a step that may be done again is offered again."""
        detail = "the broker lost it, and whether anybody had begun with it"
        if self.plan_of(task.run).steps[task.step].step.idempotent:
            self._give_up(task)
        else:
            self._attempt_lost(task, detail)
            self._end(task, TaskEvent.LOSE, detail=detail)

    def interrupted(self, task: TaskRow, detail: str, *, again: bool) -> None:
        """The process that held the attempt is gone, and a person asked to go on."""
        self._attempt_lost(task, detail)
        self.ledger.move(task, TaskEvent.RETRY if again else TaskEvent.LOSE, detail=detail)

    def cancel(
        self,
        tasks: Iterable[TaskRow],
        grace: float = GRACE,
        detail: str = "the run was cancelled",
    ) -> None:
        """Ends what is not at work, and has stopped what is. What was handed over ends
        with its run."""
        for task in tasks:
            if task.state in {TaskState.RESERVED, TaskState.RUNNING}:
                self.stops.append(StopAttempt(task.ref, task.fence, grace, task.worker))
            elif task.state is not TaskState.DELEGATED and not task.state.ended:
                if task.state is TaskState.QUEUED:
                    self.voids.append(task)
                self.ledger.move(task, TaskEvent.CANCEL, detail=detail)

    def _end(self, task: TaskRow, event: TaskEvent, **fields: Any) -> None:
        """Retries where the step says so, or ends the task."""
        if self.ledger.run(task.run).state is RunState.CANCELLING:
            event = event if event is TaskEvent.SUCCEED else TaskEvent.CANCEL
        elif task.ref in self.ledger.stopping and event is not TaskEvent.SUCCEED:
            event, fields["detail"] = TaskEvent.CANCEL, PASSED
        else:
            step = self.plan_of(task.run).steps[task.step].step
            delay = retry_delay(step, task.attempt, event)
            if delay is not None:
                kept = {k: v for k, v in fields.items() if k in {"exit_code", "detail"}}
                self.ledger.move(task, TaskEvent.RETRY, wait_until=self.ledger.now + delay, **kept)
                return
            if event is TaskEvent.CANCEL:
                event = TaskEvent.FAIL  # stopped from outside, not by this run's cancelling
        self.ledger.move(task, event, **fields)

    def _attempt_lost(self, task: TaskRow, detail: str) -> None:
        self.ledger.attempt(
            _attempt(task, "", task.started_at)._replace(
                ended_at=self.ledger.now,
                outcome=Reason.LOST.value,
                detail=detail,
            )
        )

    def _refuse(self, ref: TaskRef, fence: int, what: str, worker: str) -> None:
        if self.ledger.missing_runs([ref.run]):
            return  # there is no such run any more, and so no log of it to record this in
        self.ledger.record("refused", ref.run, ref.ordinal, fence=fence, what=what, worker=worker)


_CLAIMED = frozenset({TaskState.QUEUED, TaskState.RESERVED, TaskState.RUNNING})

_EVENTS_OF_CHILDREN = {
    RunState.SUCCEEDED: TaskEvent.SUCCEED,
    RunState.FAILED: TaskEvent.FAIL,
    RunState.CANCELLED: TaskEvent.CANCEL,
}


def _cache_json(report: CacheReport) -> dict[str, Any]:
    return asdict(report)


def _attempt(task: TaskRow, worker: str, started_at: float | None) -> AttemptRow:
    return AttemptRow(
        run=task.run,
        ordinal=task.ordinal,
        fence=task.fence,
        number=task.attempt,
        worker=worker,
        started_at=started_at,
    )
