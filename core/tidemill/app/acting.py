"""What people do to runs that are there, whoever drives them: cancelling and deciding."""

from __future__ import annotations

from tidemill.app.applying import nudge
from tidemill.app.fleet import writing_store
from tidemill.app.history import History
from tidemill.app.ownership import Owner, is_owned, ring
from tidemill.app.people import this_person
from tidemill.clock import SystemClock
from tidemill.engine.approvals import Answer, record_decision
from tidemill.engine.takeover import ask_to_cancel, finish_cancelled
from tidemill.errors import TidemillError, UsageError
from tidemill.model.rows import RunRow, TaskRow
from tidemill.model.states import RunState
from tidemill.ports import Transaction
from tidemill.project import Project
from tidemill.store.database import open_sqlite
from tidemill.store.sql import SqlStore


def row_of(project: Project, number: int) -> RunRow:
    """A run as it is now, where it can be written to.

    Raises:
        UsageError: there is no such run.
    """
    return History(project, replica=False).row(number)


def request_cancel(project: Project, number: int) -> str:
    """Cancels a run, whoever drives it, and says what was done.

    Raises:
        UsageError: there is no such run, or it has ended.
        TidemillError: the database cannot be used.
    """
    row = row_of(project, number)
    if row.state.ended:
        was = "was " if row.state is RunState.CANCELLED else ""
        raise UsageError(f"run {number} has ended: it {was}{row.state.value}")
    if row.pooled:
        return _cancel_in_fleet(project, row)
    store, clock, folder = open_store(project), SystemClock(), project.run_folder(row.family)
    if row.root is not None and not is_owned(folder):
        raise UsageError(
            f"run {number} is part of run {row.root}, which nobody drives",
            f"`tidemill cancel {row.root}` ends both; {retry_instead(row.root)}",
        )
    store.transact_now(lambda tx: ask_to_cancel(tx, number, clock.now()))
    if ring(folder) or is_owned(folder):
        return f"run {number} is being cancelled"
    owner = own(project, number)
    try:
        store.transact_now(lambda tx: finish_cancelled(tx, number, clock.now()))
    finally:
        owner.release()
    return f"run {number}, which nobody drove any more, is cancelled"


def _cancel_in_fleet(project: Project, row: RunRow) -> str:
    number, now = row.number, SystemClock().now()

    def work(tx: Transaction) -> None:
        tx.take([number])
        ask_to_cancel(tx, number, now)
        tx.signal(number)

    writing_store(project).transact_now(work)
    return f"run {number} is being cancelled{_heard(project, number)}"


def _heard(project: Project, number: int) -> str:
    """What to add where no scheduler could be told."""
    return "" if nudge(project, number) else " (as soon as a scheduler is up, and looks)"


def is_pooled(project: Project, number: int) -> bool:
    """Whether a run is of the fleet."""
    return row_of(project, number).pooled


def request_decision(project: Project, number: int, answer: Answer) -> str:
    """Approves or rejects a task that asks, in the name of whoever sits here, and says
    what was done.

    Raises:
        UsageError: there is nothing to decide, or not for this person.
        TidemillError: the database cannot be used.
    """
    row = row_of(project, number)  # an unknown run is said to be so
    family = row.family
    store = writing_store(project) if row.pooled else open_store(project)
    now, person = SystemClock().now(), this_person()

    def work(tx: Transaction) -> TaskRow:
        tx.take([number])
        if row.pooled:
            tx.signal(number)
        return record_decision(tx, number, answer, person, now)

    task = store.transact_now(work)
    did = f"{task.key} of run {number} is {'approved' if answer.approved else 'rejected'}"
    if row.pooled:
        return f"{did}{_heard(project, number)}"
    folder = project.run_folder(family)
    if ring(folder) or is_owned(folder):
        return did
    return f"{did}; nobody drives the run now: {retry_instead(family)}"


def retry_instead(number: int) -> str:
    return f"`tidemill retry {number}` goes on with it"


def open_store(project: Project) -> SqlStore:
    return SqlStore(open_sqlite(project.database))


def own(project: Project, number: int) -> Owner:
    try:
        owner = Owner.take(project.run_folder(number))
    except OSError as error:
        raise TidemillError(f"{error.filename}: {error.strerror}") from None
    if owner is None:
        raise UsageError(
            f"run {number} is still at work in another process",
            f"watch it with `tidemill logs -f {number}`, or stop it: `tidemill cancel {number}`",
        )
    return owner
