"""What is done to a run from outside its scheduler: taking over one whose process died,
cancelling, and working out what a retry carries over."""

from __future__ import annotations

from collections.abc import Iterable

from tidemill.engine.booking import Booking
from tidemill.engine.ledger import Ledger
from tidemill.engine.plans import plan_of
from tidemill.engine.progress import Progress
from tidemill.engine.scopes import Outputs
from tidemill.model.plan import Plan
from tidemill.model.rows import RunRow, TaskRow
from tidemill.model.states import RunState, TaskState
from tidemill.model.transitions import RunEvent, TaskEvent
from tidemill.ports import Transaction

INTERRUPTED = "it was at work when its process died"
NOT_REPEATED = f"{INTERRUPTED}; since idempotent = false, see what it did before you retry it"


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
    ledger, plan = _open(tx, number, now)
    for task in ledger.tasks():
        ledger.move(task, TaskEvent.CANCEL, detail="the run was cancelled")
    return _settled(tx, ledger, plan, number)


def take_over(tx: Transaction, number: int, now: float) -> RunRow:
    """Makes a run whose process died go on: what was at work, or may have been, is lost,
    and is done again unless it may be done at most once."""
    ledger, plan = _open(tx, number, now)
    booking = Booking(ledger, lambda _: plan)
    for task in ledger.tasks():
        if task.state in {TaskState.QUEUED, TaskState.RUNNING}:
            again = plan.step_of(task.ordinal).step.idempotent
            detail = INTERRUPTED if again else NOT_REPEATED
            booking.interrupted(task, detail, again=again)
    return _settled(tx, ledger, plan, number)


def carried_by_retry(plan: Plan, tasks: Iterable[TaskRow]) -> dict[int, TaskRow]:
    """The results that a retry keeps: of tasks that succeeded, and whose steps need
    nothing that is done again."""
    by_step: dict[int, list[TaskRow]] = {}
    for task in tasks:
        by_step.setdefault(task.step, []).append(task)
    stays: dict[int, bool] = {}
    carried: dict[int, TaskRow] = {}
    settled = {TaskState.SUCCEEDED, TaskState.SKIPPED}
    for step in plan.topological():
        rows = by_step.get(step.index, [])
        upstream = all(stays[need] for need in step.needs)
        stays[step.index] = upstream and all(row.state in settled for row in rows)
        if upstream:
            done = (row for row in rows if row.state is TaskState.SUCCEEDED)
            carried.update((row.ordinal, row) for row in done)
    return carried


def _open(tx: Transaction, number: int, now: float) -> tuple[Ledger, Plan]:
    ledger = Ledger(now, lease=0)
    ledger.add_runs(tx.runs([number]))
    run = ledger.run(number)
    ledger.add_stages(tx.stages_of(number))
    ledger.add_tasks(tx.open_tasks(number))
    return ledger, plan_of(run, tx.definition(run.digest))


def _settled(tx: Transaction, ledger: Ledger, plan: Plan, number: int) -> RunRow:
    Progress(ledger, lambda _: plan, Outputs(), tx).settle()
    ledger.flush(tx)
    return ledger.run(number)
