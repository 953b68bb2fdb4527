"""Deadlines in a transaction: alarms that are set, those that nobody needs any more, and what
is told. What is done when an alarm rings is another room's business: see
`tidemill.engine.alarms`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tidelang.definition import Definition
from tidelang.values import duration_text
from tidemill.engine.ledger import Ledger
from tidemill.engine.plans import Plans
from tidemill.model.deadlines import (
    AlarmKind,
    missed_alarm,
    passes_at,
    risk_alarm,
)
from tidemill.model.plan import Plan, PlannedStep
from tidemill.model.rows import WHOLE, AlarmRow, LateRow, RunRow, TaskRef, TaskRow
from tidemill.ports import Turn

PASSED = "its deadline passed"


def has_deadlines(definition: Definition) -> bool:
    return definition.deadline is not None or any(s.deadline for s in definition.steps)


def watch_run(
    ledger: Ledger, plan: Plan, run: RunRow, tasks: Iterable[TaskRow], known: Mapping[str, float]
) -> None:
    """Sets the alarms of a run that is being made, of whose steps it is `known` how many
    seconds they take."""
    run = ledger.run(run.number)
    if run.deadline_at is None or run.state.ended:
        return
    ledger.set_alarm(missed_alarm(run, WHOLE, run.deadline_at))
    open_tasks = [task for task in tasks if not task.state.ended]
    risk = risk_alarm(run, plan, known, open_tasks, ledger.now)
    if risk is not None:
        ledger.set_alarm(risk)


def watch_task(ledger: Ledger, task: TaskRow, step: PlannedStep) -> None:
    """All that it needs has ended."""
    deadline = step.step.deadline
    if deadline is not None:
        at = passes_at(deadline, ledger.now)
        ledger.set_alarm(AlarmRow(*task.ref, AlarmKind.MISSED.value, at, task.pool is not None))


def know_stopping(ledger: Ledger, plans: Plans, tx: Turn, refs: Iterable[TaskRef]) -> None:
    """Reads which of these tasks were told to stop at their deadlines."""
    wanted = [ref for ref in refs if _may_be_stopped(ledger.task(ref), plans)]
    if wanted:
        rows = tx.alarms(wanted)
        ledger.stopping.update(row.ref for row in rows if row.kind == AlarmKind.STOPPING)


def _may_be_stopped(task: TaskRow | None, plans: Plans) -> bool:
    if task is None:
        return False
    deadline = plans.of(task.run).steps[task.step].step.deadline
    return deadline is not None and deadline.action == "cancel"


def hush(ledger: Ledger, plans: Plans, tx: Turn) -> None:
    """Ends the alarms of what has ended. What did so too late, before anybody heard its alarm,
    has missed its deadline all the same."""
    ended, ledger.hushed = dict.fromkeys(ledger.hushed), []
    if not ended:
        return
    for row in ledger.alarms_of(ended, tx.alarms(ended)):
        ended_at = _ended_at(ledger, row)
        if row.kind == AlarmKind.MISSED and ended_at is not None and ended_at > row.at:
            tell_missed(ledger, plans, row)
        ledger.drop_alarm(row)


def _ended_at(ledger: Ledger, row: AlarmRow) -> float | None:
    if row.ordinal == WHOLE:
        return ledger.run(row.run).ended_at
    task = ledger.task(row.ref)
    return None if task is None else task.ended_at


def tell_missed(ledger: Ledger, plans: Plans, row: AlarmRow) -> None:
    definition = plans.of(row.run).definition
    task = ledger.task(row.ref)
    deadline = definition.deadline if task is None else definition.steps[task.step].deadline
    after = duration_text(deadline.after) if deadline is not None else "its time"
    tell(ledger, row, "deadline_missed", f"it was to end within {after}")


def tell(ledger: Ledger, row: AlarmRow, event: str, detail: str) -> None:
    """For the log, for those who are to be told, and for those who watch."""
    task = ledger.task(row.ref)
    key, state = ("" if task is None else task.key), ledger.run(row.run).state
    ledger.late.append(LateRow(ledger.now, event, row.run, row.ordinal, key, detail, state))
    ordinal = None if row.ordinal == WHOLE else row.ordinal
    ledger.record(event, row.run, ordinal, detail=detail)
