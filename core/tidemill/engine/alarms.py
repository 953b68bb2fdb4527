"""What is done when an alarm rings: a deadline passes, or comes near.

An alarm's row is locked while it rings and gone, or set anew, in the same transaction as what
follows from it, so each deadline is missed once, whoever hears of it and whoever dies when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidelang.values import duration_text
from tidemill.engine.children import Children
from tidemill.engine.deadlines import PASSED, tell, tell_missed
from tidemill.engine.durations import expected
from tidemill.engine.ledger import Ledger
from tidemill.model.deadlines import AlarmKind, is_at_risk, risk_alarm
from tidemill.model.expected import time_left
from tidemill.model.line import AGEING
from tidemill.model.messages import PRIORITIES
from tidemill.model.rows import WHOLE, AlarmRow, RunRow, TaskRow
from tidemill.model.states import RunState
from tidemill.model.transitions import RunEvent
from tidemill.ports import Turn

AT_ONCE = 200
"""Alarms that are looked at in one transaction."""

MOST = len(PRIORITIES) - 1
"""Ranks by which a priority is raised, at most."""

_CANCELLABLE = frozenset({RunState.PENDING, RunState.RUNNING})


@dataclass(frozen=True, slots=True)
class Alarms:
    """`lease` and `grace` are in seconds."""

    tx: Turn
    children: Children
    lease: float
    grace: float

    @property
    def _ledger(self) -> Ledger:
        return self.children.ledger

    def load(self, due: Sequence[AlarmRow]) -> None:
        """Reads what these are of, before anything is changed."""
        ledger, tx = self._ledger, self.tx
        missing = ledger.missing_runs(row.run for row in due)
        if missing:
            ledger.add_runs(tx.runs(missing))
        self.children.plans.refresh(tx, [ledger.run(row.run) for row in due])
        refs = [row.ref for row in due if row.ordinal != WHOLE]
        if refs:
            ledger.add_tasks(tx.tasks(refs))

    def ring(self, due: Sequence[AlarmRow]) -> None:
        """What has ended by now, in this very transaction, is not looked at: see `hush`."""
        for row in due:
            run, task = self._ledger.run(row.run), self._ledger.task(row.ref)
            if run.state.ended or (task is not None and task.state.ended):
                self._ledger.hushed.append(row.ref)
            elif row.kind == AlarmKind.AT_RISK:
                self._look(row, run)
            elif task is not None:
                self._pass_of_task(row, task)
            else:
                self._pass_of_run(row, run)

    # the whole run

    def _pass_of_run(self, row: AlarmRow, run: RunRow) -> None:
        deadline = self.children.plans.of(run.number).definition.deadline
        self._ledger.drop_alarm(row)
        self._ledger.drop_alarm(row._replace(kind=AlarmKind.AT_RISK.value))
        tell_missed(self._ledger, self.children.plans, row)
        if deadline is not None and deadline.action == "cancel":
            self._cancel(run)
        elif deadline is not None and deadline.action == "escalate":
            self._raise(run)

    def _cancel(self, run: RunRow) -> None:
        if run.state not in _CANCELLABLE:
            return
        self._ledger.move_run(run.number, RunEvent.CANCEL, detail=PASSED)
        tasks = self._ledger.newest(self.tx.open_tasks(run.number))
        self.children.booking.cancel(tasks, self.grace)
        self.children.cancel(tasks, self.grace)

    def _look(self, row: AlarmRow, run: RunRow) -> None:
        """Whether it may be late, as things stand now."""
        ledger, plan = self._ledger, self.children.plans.of(run.number)
        tasks = [t for t in ledger.newest(self.tx.open_tasks(run.number)) if not t.state.ended]
        durations, now = expected(self.tx, run.pipeline), ledger.now
        again = risk_alarm(run, plan, durations, tasks, now)
        if is_at_risk(run, plan, durations, tasks, now):
            left = duration_text(round(time_left(plan, durations, tasks, now)) * 1000)
            until = duration_text(max(round((run.deadline_at or now) - now), 0) * 1000)
            ledger.drop_alarm(row)
            tell(ledger, row, "deadline_at_risk", f"{left} of work are expected, {until} are left")
        elif again is None:
            ledger.drop_alarm(row)
        else:
            ledger.set_alarm(again)

    def _raise(self, run: RunRow) -> None:
        """One rank up, with all that is below it."""
        ledger = self._ledger
        ledger.add_runs(self.tx.family(run.family))
        raised = {
            number: ledger.run(number).raised
            for number in _below(run.number, [ledger.run(n) for n in self._numbers(run)])
            if ledger.run(number).raised < MOST and not ledger.run(number).state.ended
        }
        for number in raised:
            now = ledger.run(number)
            ledger.set_run(now._replace(raised=now.raised + 1))
        if raised:
            self.tx.move_up(raised, AGEING)
            ledger.move_up(raised, AGEING)

    def _numbers(self, run: RunRow) -> list[int]:
        return sorted(r.number for r in self._ledger.runs() if r.family == run.family)

    # a task

    def _pass_of_task(self, row: AlarmRow, task: TaskRow) -> None:
        plans = self.children.plans
        self._ledger.drop_alarm(row)
        if row.kind == AlarmKind.MISSED:
            tell_missed(self._ledger, plans, row)
        deadline = plans.of(task.run).steps[task.step].step.deadline
        if deadline is not None and deadline.action == "cancel":
            self._stop(row, task)
        elif deadline is not None and deadline.action == "escalate":
            self._raise_task(task)

    def _stop(self, row: AlarmRow, task: TaskRow) -> None:
        """What is at work is told to stop, and told again after a lease, as long as it does
        not end: the news may get lost."""
        ledger = self._ledger
        self.children.booking.cancel([task], self.grace, detail=PASSED)
        self.children.cancel([task], self.grace)
        now = ledger.task(task.ref)
        if now is not None and not now.state.ended:
            again = row._replace(kind=AlarmKind.STOPPING.value, at=ledger.now + self.lease)
            ledger.stopping.add(task.ref)
            ledger.set_alarm(again)

    def _raise_task(self, task: TaskRow) -> None:
        self._ledger.raise_task(task, AGEING)
        if task.child is not None:
            self._ledger.add_runs(self.tx.runs([task.child]))
            self._raise(self._ledger.run(task.child))


def _below(number: int, runs: Sequence[RunRow]) -> list[int]:
    """A run and those below it, of runs in the order of their numbers: each stands behind the
    one above it."""
    found = {number: None}
    for run in runs:
        if run.parent in found:
            found[run.number] = None
    return list(found)
