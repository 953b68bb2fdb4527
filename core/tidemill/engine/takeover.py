"""What is done to a run from outside its scheduler: taking over one whose process died,
and cancelling. Runs below it go the way it goes."""

from __future__ import annotations

from tidemill.engine.booking import Booking
from tidemill.engine.children import Children
from tidemill.engine.ledger import Ledger
from tidemill.engine.notices import note_events
from tidemill.engine.plans import Plans
from tidemill.engine.progress import Progress
from tidemill.engine.scopes import Outputs
from tidemill.engine.standing import Standing
from tidemill.model.rows import RunRow
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
    children = _open(tx, number, now)
    ledger = children.ledger
    for run in ledger.runs():
        if run.state is not RunState.CANCELLING:
            ledger.move_run(run.number, RunEvent.CANCEL)
    for task in ledger.tasks():
        if task.state is not TaskState.DELEGATED:  # it ends with its run
            ledger.move(task, TaskEvent.CANCEL, detail="the run was cancelled")
    return _settled(children, number)


def take_over(tx: Transaction, number: int, now: float) -> RunRow:
    """Makes a run whose process died go on: what was at work, or may have been, is lost,
    and is done again unless it may be done at most once."""
    children = _open(tx, number, now)
    for task in children.ledger.tasks():
        if task.state in {TaskState.QUEUED, TaskState.RUNNING}:
            again = children.plans.of(task.run).steps[task.step].step.idempotent
            detail = INTERRUPTED if again else NOT_REPEATED
            children.booking.interrupted(task, detail, again=again)
    return _settled(children, number)


def _open(tx: Transaction, number: int, now: float) -> Children:
    """A run and those below it, with all that has not ended of them."""
    ledger = Ledger(now, lease=0)
    ledger.add_runs(tx.family(number))
    for run in ledger.runs():
        ledger.add_stages(tx.stages_of(run.number))
        ledger.add_tasks(tx.open_tasks(run.number))
    plans, outputs = Plans(), Outputs()
    plans.refresh(tx, ledger.runs())
    progress = Progress(ledger, plans, outputs, tx, Standing())
    return Children(progress, Booking(ledger, plans.of))


def _settled(children: Children, number: int) -> RunRow:
    children.settle()
    note_events(children.ledger, children.plans, children.progress.tx)
    children.ledger.flush(children.progress.tx)
    return children.ledger.run(number)
