"""The application: the one place where ports meet adapters.

The command line, and later a server, call what is here; nothing below knows of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tidelang import codec
from tidemill.app.applying import Applied, apply, nudge, retry, trigger
from tidemill.app.doctor import Check, checks
from tidemill.app.fleet import nobody, writing_store
from tidemill.app.history import History
from tidemill.app.local import LocalRun
from tidemill.app.ownership import Owner, is_owned, ring
from tidemill.app.people import this_person
from tidemill.app.present import task_view
from tidemill.app.requests import MistakesError, Planned, compiled, one_pipeline, plan_request
from tidemill.app.secrets import EnvironmentSecrets
from tidemill.clock import SystemClock
from tidemill.engine.approvals import Answer, record_decision
from tidemill.engine.create import Earlier, NewRun, create_run, earlier
from tidemill.engine.fan_out import NOT_SELECTED
from tidemill.engine.plans import Plans
from tidemill.engine.rerun import again
from tidemill.engine.takeover import ask_to_cancel, finish_cancelled, take_over
from tidemill.errors import TidemillError, UsageError
from tidemill.model.plan import Plan
from tidemill.model.requests import RunRequest
from tidemill.model.rows import RunRow, TaskRow
from tidemill.model.secrets import secrets_of
from tidemill.model.states import RunState, TaskState
from tidemill.model.views import TaskView
from tidemill.ports import Transaction
from tidemill.project import Project, find_project
from tidemill.store.database import open_sqlite
from tidemill.store.sql import SqlStore

__all__ = [
    "Answer",
    "Applied",
    "Check",
    "History",
    "LocalRun",
    "MistakesError",
    "PlanView",
    "Project",
    "apply",
    "checks",
    "compiled",
    "find_project",
    "history",
    "is_pooled",
    "one_pipeline",
    "open_retry",
    "open_run",
    "plan",
    "request_cancel",
    "request_decision",
    "retry",
    "trigger",
]


@dataclass(frozen=True, slots=True)
class PlanView:
    """What a run would do: its tasks in topological order."""

    pipeline: str
    digest: str
    params: dict[str, object]
    secrets: dict[str, bool]
    """those that it needs, and whether they are there"""
    tasks: tuple[TaskView, ...]


def plan(project: Project, request: RunRequest) -> PlanView:
    """What `open_run` would make of a request; nothing is stored.

    Raises:
        TidemillError: as `open_run`.
    """
    planned = plan_request(project, request)
    known = _earlier_without_writing(project, planned)
    secrets = secrets_of(planned.plan, planned.chosen, planned.called.__getitem__)
    missing = EnvironmentSecrets().missing(secrets)
    return PlanView(
        planned.plan.definition.name,
        planned.digest,
        dict(planned.plan.params),
        {name: name not in missing for name in sorted(secrets)},
        tuple(_planned_views(known, planned.chosen)),
    )


def _planned_views(known: Earlier, chosen: frozenset[int]) -> Iterator[TaskView]:
    for step in known.plan.topological():
        for instance in step.counted:
            state, detail, origin = TaskState.BLOCKED if step.needs else TaskState.READY, "", None
            if instance.ordinal in known.carried:
                before = known.carried[instance.ordinal]
                state, origin = TaskState.SUCCEEDED, before.carried_from or before.run
            elif instance.ordinal not in chosen:
                state, detail = TaskState.SKIPPED, NOT_SELECTED
            row = TaskRow(
                0,
                instance.ordinal,
                step.index,
                instance.key,
                state,
                detail=detail,
                carried_from=origin,
            )
            yield task_view(row, known.plan)


def open_run(project: Project, request: RunRequest) -> LocalRun:
    """Makes and stores a run.

    Raises:
        MistakesError: the file has mistakes.
        UsageError: the request does not fit the file.
        TidemillError: the database cannot be used.
    """
    planned = plan_request(project, request)
    slots = _slots(request.max_parallel)

    def new(tx: Transaction) -> NewRun:
        known = earlier(tx, planned.plan, planned.chosen)
        for digest, called in planned.called.items():
            tx.add_definition(digest, called.name, codec.encode(called), SystemClock().now())
        return NewRun(
            plan=known.plan,
            digest=planned.digest,
            content=planned.content,
            file=planned.file,
            chosen=planned.chosen,
            fresh=request.fresh,
            carried=known.carried,
            picked=planned.picked,
        )

    return _create(project, _open_store(project), new, slots)


def open_retry(project: Project, number: int, max_parallel: int | None = None) -> LocalRun:
    """Goes on with a run: takes over one whose process died; of one that ended badly,
    makes a new run that keeps what succeeded.

    Raises:
        UsageError: there is nothing to retry, or somebody drives the run.
        TidemillError: the database cannot be used.
    """
    row = _row(project, number)
    if row.pooled:
        raise UsageError(f"run {number} is of the fleet", "retry it there")
    if not row.state.ended and row.root is not None:
        raise UsageError(f"run {number} is part of run {row.root}", _retry_instead(row.root))
    owner = _own(project, number) if not row.state.ended else None
    store, clock = _open_store(project), SystemClock()
    if owner is not None:
        if row.state is RunState.CANCELLING:
            row = store.transact_now(lambda tx: finish_cancelled(tx, number, clock.now()))
            owner.release()
        else:
            row = store.transact_now(lambda tx: take_over(tx, number, clock.now()))
            plan = store.transact_now(lambda tx: _plan_of(tx, row))
            return LocalRun(project, store, clock, owner, row, plan, _slots(max_parallel))
    if row.state is RunState.SUCCEEDED:
        raise UsageError(f"run {number} succeeded: there is nothing to retry")
    return _create(project, store, lambda tx: _retry_of(tx, row), _slots(max_parallel))


def history(project: Project, tell: Callable[[str], None] = nobody) -> History:
    """`tell` is told what a person should know of where it comes from.

    Raises:
        TidemillError: the database cannot be read.
    """
    return History(project, tell)


def _row(project: Project, number: int) -> RunRow:
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
    row = _row(project, number)
    if row.state.ended:
        was = "was " if row.state is RunState.CANCELLED else ""
        raise UsageError(f"run {number} has ended: it {was}{row.state.value}")
    if row.pooled:
        return _cancel_in_fleet(project, row)
    store, clock, folder = _open_store(project), SystemClock(), project.run_folder(row.family)
    if row.root is not None and not is_owned(folder):
        raise UsageError(
            f"run {number} is part of run {row.root}, which nobody drives",
            f"`tidemill cancel {row.root}` ends both; {_retry_instead(row.root)}",
        )
    store.transact_now(lambda tx: ask_to_cancel(tx, number, clock.now()))
    if ring(folder) or is_owned(folder):
        return f"run {number} is being cancelled"
    owner = _own(project, number)
    try:
        store.transact_now(lambda tx: finish_cancelled(tx, number, clock.now()))
    finally:
        owner.release()
    return f"run {number}, which nobody drove any more, is cancelled"


def _cancel_in_fleet(project: Project, row: RunRow) -> str:
    number, now = row.number, SystemClock().now()

    def work(tx: Transaction) -> None:
        tx.lock([number])
        ask_to_cancel(tx, number, now)
        tx.signal(number)

    writing_store(project).transact_now(work)
    return f"run {number} is being cancelled{_heard(project, number)}"


def _heard(project: Project, number: int) -> str:
    """What to add where no scheduler could be told."""
    return "" if nudge(project, number) else " (as soon as a scheduler is up, and looks)"


def is_pooled(project: Project, number: int) -> bool:
    """Whether a run is of the fleet."""
    return _row(project, number).pooled


def request_decision(project: Project, number: int, answer: Answer) -> str:
    """Approves or rejects a task that asks, in the name of whoever sits here, and says
    what was done.

    Raises:
        UsageError: there is nothing to decide, or not for this person.
        TidemillError: the database cannot be used.
    """
    row = _row(project, number)  # an unknown run is said to be so
    family = row.family
    store = writing_store(project) if row.pooled else _open_store(project)
    now, person = SystemClock().now(), this_person()

    def work(tx: Transaction) -> TaskRow:
        tx.lock([number])
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
    return f"{did}; nobody drives the run now: {_retry_instead(family)}"


def _retry_instead(number: int) -> str:
    return f"`tidemill retry {number}` goes on with it"


def _open_store(project: Project) -> SqlStore:
    return SqlStore(open_sqlite(project.database))


def _slots(max_parallel: int | None) -> int:
    if max_parallel is not None and max_parallel < 1:
        raise UsageError(f"--max-parallel is {max_parallel}", "it must be 1 or more")
    return max_parallel or len(os.sched_getaffinity(0))


def _create(
    project: Project, store: SqlStore, new: Callable[[Transaction], NewRun], slots: int
) -> LocalRun:
    """Stores the run and takes its lock, before anybody can see the one without the
    other."""
    clock = SystemClock()
    made: list[tuple[RunRow, NewRun, Owner]] = []

    def work(tx: Transaction) -> None:
        what = new(tx)
        wanted = what.chosen - what.carried.keys()
        called = lambda digest: codec.decode(tx.definition(digest))  # noqa: E731
        EnvironmentSecrets().require(secrets_of(what.plan, wanted, called))
        row = create_run(tx, what, clock.now())
        made.append((row, what, _own(project, row.number)))

    store.transact_now(work)
    row, what, owner = made[-1]
    return LocalRun(project, store, clock, owner, row, what.plan, slots)


def _plan_of(tx: Transaction, row: RunRow) -> Plan:
    plans = Plans()
    plans.refresh(tx, [row])
    return plans.of(row.number)


def _retry_of(tx: Transaction, row: RunRow) -> NewRun:
    if tx.is_condemned(row.number) or not tx.runs([row.number]):
        raise UsageError(
            f"run {row.number} has just been purged", "`tidemill runs` lists the others"
        )
    start = again(_plan_of(tx, row), row, tx.all_tasks(row.number))
    return NewRun(
        plan=start.plan,
        digest=row.digest,
        content=tx.definition(row.digest),
        file=row.file,
        chosen=start.chosen,
        carried=start.carried,
        retry_of=row.number,
        origin=row.origin or row.number,
        fresh=row.fresh,
        picked=row.picked,
    )


def _earlier_without_writing(project: Project, planned: Planned) -> Earlier:
    """What would be taken over: asks the database only if there can be anything."""
    everything = frozenset(range(planned.plan.size))
    if planned.chosen == everything:
        return Earlier(planned.plan, {})
    store = _open_store(project)
    return store.transact_now(lambda tx: earlier(tx, planned.plan, planned.chosen))


def _own(project: Project, number: int) -> Owner:
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
