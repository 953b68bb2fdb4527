"""Runs: planning, making and taking up those of this machine; deciding on any."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tidelang import codec
from tidemill.app.acting import open_store, own, retry_instead, row_of
from tidemill.app.local import LocalRun
from tidemill.app.ownership import Owner
from tidemill.app.present import task_view
from tidemill.app.requests import Planned, plan_request
from tidemill.app.secrets import require_secrets, secret_sources
from tidemill.clock import SystemClock
from tidemill.engine.create import Earlier, NewRun, create_run, earlier
from tidemill.engine.fan_out import NOT_SELECTED
from tidemill.engine.plans import Plans
from tidemill.engine.rerun import again
from tidemill.engine.takeover import finish_cancelled, take_over
from tidemill.errors import UsageError
from tidemill.model.plan import Plan
from tidemill.model.requests import RunRequest
from tidemill.model.rows import RunRow, TaskRow
from tidemill.model.secrets import secrets_of, secrets_of_notifiers
from tidemill.model.states import RunState, TaskState
from tidemill.model.views import TaskView
from tidemill.ports import Transaction
from tidemill.project import Project
from tidemill.store.sql import SqlStore


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
    there = secret_sources(project.root, secrets)
    return PlanView(
        planned.plan.definition.name,
        planned.digest,
        dict(planned.plan.params),
        {name: name in there for name in sorted(secrets)},
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
            told=request.told,
            carried=known.carried,
            picked=planned.picked,
        )

    return _create(project, open_store(project), new, slots)


def open_retry(project: Project, number: int, max_parallel: int | None = None) -> LocalRun:
    """Goes on with a run: takes over one whose process died; of one that ended badly,
    makes a new run that keeps what succeeded.

    Raises:
        UsageError: there is nothing to retry, or somebody drives the run.
        TidemillError: the database cannot be used.
    """
    row = row_of(project, number)
    if row.pooled:
        raise UsageError(f"run {number} is of the fleet", "retry it there")
    if not row.state.ended and row.root is not None:
        raise UsageError(f"run {number} is part of run {row.root}", retry_instead(row.root))
    owner = own(project, number) if not row.state.ended else None
    store, clock = open_store(project), SystemClock()
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
    there: set[str] = set()

    def work(tx: Transaction) -> None:
        what = new(tx)
        wanted = what.chosen - what.carried.keys()
        called = lambda digest: codec.decode(tx.definition(digest))  # noqa: E731
        secrets = secrets_of(what.plan, wanted, called)
        secrets |= secrets_of_notifiers(what.plan) if what.told else frozenset()
        if unknown := secrets - there:
            raise _Wanted(unknown)
        row = create_run(tx, what, clock.now())
        made.append((row, what, own(project, row.number)))

    while not made:
        try:
            store.transact_now(work)
        except _Wanted as wanted:  # providers may take their time, and a lock must not wait
            require_secrets(project.root, wanted.names)
            there |= wanted.names
    row, what, owner = made[-1]
    return LocalRun(project, store, clock, owner, row, what.plan, slots)


class _Wanted(Exception):
    """A run needs secrets of which it is not known yet whether they are there."""

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__()
        self.names = names


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
        told=row.told,
        picked=row.picked,
    )


def _earlier_without_writing(project: Project, planned: Planned) -> Earlier:
    """What would be taken over: asks the database only if there can be anything."""
    everything = frozenset(range(planned.plan.size))
    if planned.chosen == everything:
        return Earlier(planned.plan, {})
    store = open_store(project)
    return store.transact_now(lambda tx: earlier(tx, planned.plan, planned.chosen))
