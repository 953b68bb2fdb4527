"""What is done to a run from outside its scheduler: taking over one whose process died,
cancelling, and working out what a retry carries over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tidemill.engine.booking import Booking
from tidemill.engine.fan_out import picked_of
from tidemill.engine.ledger import Ledger
from tidemill.engine.plans import Plans
from tidemill.engine.progress import Progress
from tidemill.engine.scopes import Outputs
from tidemill.model.plan import Plan, make_plan
from tidemill.model.rows import RunRow, TaskRow
from tidemill.model.states import RunState, TaskState
from tidemill.model.transitions import RunEvent, TaskEvent
from tidemill.ports import Transaction

INTERRUPTED = "it was at work when its process died"
NOT_REPEATED = f"{INTERRUPTED}; since idempotent = false, see what it did before you retry it"


_SETTLED = frozenset({TaskState.SUCCEEDED, TaskState.SKIPPED, TaskState.EXPANDED})


def ask_to_cancel(tx: Transaction, number: int, now: float) -> RunRow:
    """Makes the wish durable; the scheduler that drives the run does the rest."""
    ledger = Ledger(now, lease=0)
    ledger.add_runs(tx.runs([number]))
    run = ledger.run(number)
    if run.state in {RunState.PENDING, RunState.RUNNING}:
        run = ledger.move_run(number, RunEvent.CANCEL)
        ledger.flush(tx)
    return run


def finish_cancelled(tx: Transaction, number: int, now: float) -> RunRow:
    """Ends a run that is to be cancelled and that nobody drives: what its tables still
    call running died with its process."""
    ledger, plans = _open(tx, number, now)
    for task in ledger.tasks():
        ledger.move(task, TaskEvent.CANCEL, detail="the run was cancelled")
    return _settled(tx, ledger, plans, number)


def take_over(tx: Transaction, number: int, now: float) -> RunRow:
    """Makes a run whose process died go on: what was at work, or may have been, is lost,
    and is done again unless it may be done at most once."""
    ledger, plans = _open(tx, number, now)
    booking = Booking(ledger, plans.of)
    for task in ledger.tasks():
        if task.state in {TaskState.QUEUED, TaskState.RUNNING}:
            again = plans.of(number).steps[task.step].step.idempotent
            detail = INTERRUPTED if again else NOT_REPEATED
            booking.interrupted(task, detail, again=again)
    return _settled(tx, ledger, plans, number)


@dataclass(frozen=True, slots=True)
class Again:
    """What a retry starts from: its plan, with the late fan-outs whose lists stay what
    they were; the tasks that take part; and the results that it keeps. Both by ordinal of
    this plan."""

    plan: Plan
    chosen: frozenset[int]
    carried: Mapping[int, TaskRow]


def again(plan: Plan, run: RunRow, tasks: Iterable[TaskRow]) -> Again:
    """For a retry of `run`, whose plan and tasks these are. Keeps the results of tasks
    that succeeded, and whose steps need nothing that is done again."""
    by_step: dict[int, list[TaskRow]] = {}
    for task in tasks:
        by_step.setdefault(task.step, []).append(task)
    stays: dict[int, bool] = {}
    kept: dict[str, TaskRow] = {}
    for step in plan.topological():
        rows = by_step.get(step.index, [])
        upstream = all(stays[need] for need in step.needs)
        stays[step.index] = upstream and all(row.state in _SETTLED for row in rows)
        if upstream:
            kept |= {row.key: row for row in rows if row.state is TaskState.SUCCEEDED}
    anew = make_plan(plan.definition, plan.params).expanded(
        {
            step.index: step.items
            for step in sorted(plan.late(), key=lambda step: step.first)
            if step.items is not None and all(stays[need] for need in step.needs)
        }
    )
    instances = [instance for step in anew.steps for instance in step.rows]
    carried = {i.ordinal: kept[i.key] for i in instances if i.key in kept}
    left_out = frozenset(run.excluded) | _not_picked(anew, run)
    return Again(anew, frozenset(i.ordinal for i in instances) - left_out, carried)


def _not_picked(plan: Plan, run: RunRow) -> frozenset[int]:
    return frozenset(
        instance.ordinal
        for step in plan.late()
        if (picked := picked_of(run.picked, step))
        for instance in step.instances
        if instance.key not in picked
    )


def _open(tx: Transaction, number: int, now: float) -> tuple[Ledger, Plans]:
    ledger = Ledger(now, lease=0)
    ledger.add_runs(tx.runs([number]))
    ledger.add_stages(tx.stages_of(number))
    ledger.add_tasks(tx.open_tasks(number))
    plans = Plans()
    plans.refresh(tx, ledger.runs())
    return ledger, plans


def _settled(tx: Transaction, ledger: Ledger, plans: Plans, number: int) -> RunRow:
    Progress(ledger, plans, Outputs(), tx).settle()
    ledger.flush(tx)
    return ledger.run(number)
