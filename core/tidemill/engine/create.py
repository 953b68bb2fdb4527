"""Making a run: its row, its stages and all its tasks, in one transaction, each task in
the state it starts from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tidelang import values
from tidelang.definition import Approval, Subrun
from tidelang.reify import literal
from tidemill.engine.deadlines import hush, watch_run
from tidemill.engine.fan_out import NOT_SELECTED, tasks_in_words
from tidemill.engine.ledger import Ledger
from tidemill.engine.notices import note_events
from tidemill.engine.plans import Plans, lists_of
from tidemill.engine.progress import Progress
from tidemill.engine.reserving import is_ahead
from tidemill.engine.scopes import Outputs
from tidemill.engine.standing import Standing
from tidemill.errors import UsageError
from tidemill.model.causes import Cause
from tidemill.model.deadlines import passes_at, starts_at
from tidemill.model.messages import PRIORITIES
from tidemill.model.plan import Plan, PlannedStep
from tidemill.model.rows import (
    NO_WORKER,
    ExpansionRow,
    RunRow,
    StageRef,
    StageRow,
    TaskRef,
    TaskRow,
)
from tidemill.model.selection import outputs_wanted
from tidemill.model.states import RunState, TaskState
from tidemill.model.transitions import TaskEvent
from tidemill.ports import Transaction, Turn


@dataclass(frozen=True, slots=True)
class NewRun:
    """What a run is made of. `carried` are earlier tasks, by ordinal of the new run,
    whose results it takes over; of `chosen`, those that take part. `picked` are the keys
    that take part of late fan-outs of which not all do. `parent` is the task whose work it
    is, in the run `root` or one below it. The tasks of
    a `pooled` run are offered to the pools of their steps, by any scheduler; others are
    driven by the process that makes the run. People are `told` of it. Its steps' priority is
    `raised` by so many ranks. `cause` is what starts it."""

    plan: Plan
    digest: str
    content: bytes
    file: str
    chosen: frozenset[int]
    carried: Mapping[int, TaskRow]
    retry_of: int | None = None
    origin: int | None = None
    fresh: bool = False
    picked: tuple[str, ...] = ()
    parent: TaskRef | None = None
    root: int | None = None
    pooled: bool = False
    schedule: int | None = None
    due_at: float | None = None
    queued: bool = False
    told: bool = False
    raised: int = 0
    cause: Cause = field(default_factory=dict)
    backfill: int | None = None

    @property
    def excluded(self) -> frozenset[int]:
        """What does not take part, and has no earlier result."""
        counted = {i.ordinal for step in self.plan.steps for i in step.counted}
        return frozenset(counted) - self.chosen - self.carried.keys()


@dataclass(frozen=True, slots=True)
class Earlier:
    """What other runs have to give to one that does not do everything: the plan, with
    lists that late fan-outs had, and results by its ordinals."""

    plan: Plan
    carried: Mapping[int, TaskRow]


def earlier(tx: Transaction, plan: Plan, chosen: frozenset[int]) -> Earlier:
    """The latest results of tasks that do not take part but are read by some that do.

    Raises:
        UsageError: there is no such result yet.
    """
    wanted = outputs_wanted(plan, chosen)
    if not wanted:
        return Earlier(plan, {})
    plan = _with_latest_lists(tx, plan, wanted)
    wanted = outputs_wanted(plan, chosen)
    keys = {ordinal: plan.instance(ordinal).key for ordinal in wanted}
    found = tx.latest_successes(plan.definition.name, keys.values())
    for ordinal, key in keys.items():
        if key not in found:
            raise _not_there(plan, ordinal, wanted)
    return Earlier(plan, {ordinal: found[key] for ordinal, key in keys.items()})


def _with_latest_lists(tx: Transaction, plan: Plan, wanted: Mapping[int, set[str]]) -> Plan:
    unknown = {plan.instance(o).key: o for o in wanted if plan.step_of(o).unknown}
    if not unknown:
        return plan
    found = tx.latest_expansions(plan.definition.name, unknown)
    for key, ordinal in unknown.items():
        if key not in found:
            raise _not_there(plan, ordinal, wanted)
    return plan.expanded(
        lists_of(row._replace(step=plan.by_task[unknown[key]]) for key, row in found.items())
    )


def _not_there(plan: Plan, ordinal: int, wanted: Mapping[int, set[str]]) -> UsageError:
    return UsageError(
        f"step {min(wanted[ordinal])} uses the outputs of {plan.instance(ordinal).key}, which is"
        " not selected and has not succeeded in an earlier run",
        f"select {plan.step_of(ordinal).step.name} too, or run it once before",
    )


@dataclass(frozen=True, slots=True)
class Made:
    """A run that was stored, and its tasks."""

    run: RunRow
    plan: Plan
    tasks: list[TaskRow]


def create_run(tx: Turn, new: NewRun, now: float, standing: Standing | None = None) -> RunRow:
    """Stores one run: see `create_runs`."""
    (made,) = create_runs(tx, [new], now, standing)
    return made.run


def create_runs(
    tx: Turn, news: Sequence[NewRun], now: float, standing: Standing | None = None
) -> list[Made]:
    """Stores runs; what can be decided without any step having run is decided. Who is no
    scheduler has no `standing` to give: then its tasks join lines at their end."""
    if not news:
        return []
    _store_definitions(tx, news, now)
    runs = [_run(new, now) for new in news]
    numbers = tx.new_runs(runs)
    runs = [run._replace(number=number) for run, number in zip(runs, numbers, strict=True)]
    ledger, plans, outputs = Ledger(now, lease=0), Plans(), Outputs()
    ledger.add_runs(runs)
    for number, new in zip(numbers, news, strict=True):
        plans.add(number, new.plan)
        _lay_out(ledger, number, new, outputs)
    ledger.ended.clear()  # the stages were made without them
    standing = standing or Standing()
    standing.durations.load(tx, {run.pipeline for run in runs}, now)
    Progress(ledger, plans, outputs, tx, standing).begin()
    tasks = _by_run(ledger)
    for run in runs:
        own = tasks.get(run.number, [])
        _hold_back(ledger, run, own)
        ledger.record("run", run.number, None, state=run.state.value)
        known = standing.durations.of(run.pipeline)
        watch_run(ledger, plans.of(run.number), run, own, known)
    hush(ledger, plans, tx)
    note_events(ledger, plans, tx)
    tx.insert(*ledger.take_new())
    ledger.flush(tx)
    tasks = _by_run(ledger)
    return [Made(ledger.run(n), plans.of(n), tasks.get(n, [])) for n in numbers]


def _store_definitions(tx: Turn, news: Sequence[NewRun], now: float) -> None:
    first = {new.digest: new for new in news}
    known = tx.known_definitions(first)
    for digest, new in first.items():
        if digest not in known:
            tx.add_definition(digest, new.plan.definition.name, new.content, now)


def _lay_out(ledger: Ledger, run: int, new: NewRun, outputs: Outputs) -> None:
    """Its stages and tasks, as they are before anything begins."""
    excluded = new.excluded
    ledger.add_stages(_stage(run, step, new, excluded) for step in new.plan.steps)
    ledger.add_tasks(_tasks(run, new))
    _expand(ledger, run, new.plan)
    _carry(ledger, run, new, outputs)
    _exclude(ledger, run, excluded)


def _by_run(ledger: Ledger) -> dict[int, list[TaskRow]]:
    found: dict[int, list[TaskRow]] = {}
    for task in ledger.tasks():
        found.setdefault(task.run, []).append(task)
    return found


def _run(new: NewRun, now: float) -> RunRow:
    run, deadline = _row(new, now), new.plan.definition.deadline
    if deadline is None:
        return run
    return run._replace(deadline_at=passes_at(deadline, starts_at(run)))


def _row(new: NewRun, now: float) -> RunRow:
    plan = new.plan
    return RunRow(
        number=0,
        digest=new.digest,
        pipeline=plan.definition.name,
        file=new.file,
        state=RunState.PENDING,
        created_at=now,
        params={name: values.to_json(value) for name, value in plan.params.items()},
        open=len(plan.steps),
        retry_of=new.retry_of,
        origin=new.origin,
        fresh=new.fresh,
        excluded=tuple(sorted(ordinal for ordinal in new.excluded if ordinal < plan.settled)),
        size=plan.size,
        picked=new.picked,
        parent=None if new.parent is None else new.parent.run,
        parent_task=None if new.parent is None else new.parent.ordinal,
        root=new.root,
        schedule=new.schedule,
        due_at=new.due_at,
        queued=new.queued,
        pooled=new.pooled,
        told=new.told,
        raised=new.raised,
        cause=new.cause,
        backfill=new.backfill,
    )


def _tasks(run: int, new: NewRun) -> Iterator[TaskRow]:
    for step in new.plan.steps:
        for instance in step.rows:
            yield TaskRow(
                run,
                instance.ordinal,
                step.index,
                instance.key,
                TaskState.BLOCKED,
                priority=PRIORITIES.index(step.step.priority),
                pool=pool_of(step) if new.pooled else None,
                limited=is_limited(new.plan, step),
            )


def _hold_back(ledger: Ledger, run: RunRow, tasks: Iterable[TaskRow]) -> None:
    """What is ready in a run that is yet to come may be reserved; what takes no worker has
    nothing to get ready for."""
    if is_ahead(run, ledger.now):
        for task in tasks:
            if task.state is TaskState.READY and task.pool == NO_WORKER:
                ledger.hold(task, run.due_at)


def pool_of(step: PlannedStep) -> str:
    """The pool that the tasks of a step are offered to."""
    needs_nobody = isinstance(step.step.action, Approval | Subrun)
    return NO_WORKER if needs_nobody else step.step.pool


def is_limited(plan: Plan, step: PlannedStep) -> bool:
    """Whether its tasks may not all be at work at once."""
    return any(each is not None for each in (plan.definition.max_parallel, step.step.max_parallel))


def _stage(run: int, step: PlannedStep, new: NewRun, excluded: frozenset[int]) -> StageRow:
    ordinals = [instance.ordinal for instance in step.counted]
    tasks = sum(1 for ordinal in ordinals if ordinal not in excluded)
    carried = sum(1 for ordinal in ordinals if ordinal in new.carried)
    return StageRow(run, step.index, len(step.needs), open=tasks - carried, tasks=tasks)


def _expand(ledger: Ledger, run: int, plan: Plan) -> None:
    """Stores the lists that are known from earlier runs."""
    for step in plan.late():
        items = [literal(item) for item in step.items or ()]
        ledger.add_new(ExpansionRow(run, step.index, step.first, items), ())
        if step.instances and step.stand_in is not None:
            task = ledger.task(TaskRef(run, step.stand_in.ordinal))
            if task is not None:
                ledger.move(task, TaskEvent.EXPAND, detail=tasks_in_words(len(step.instances)))


def _carry(ledger: Ledger, run: int, new: NewRun, outputs: Outputs) -> None:
    """Takes over earlier results; what is read of them cannot be read from the database
    before this transaction has written it."""
    stored: dict[StageRef, dict[TaskRef, dict[str, object] | None]] = {}
    for ordinal, before in new.carried.items():
        ref = TaskRef(run, ordinal)
        task = ledger.task(ref)
        if task is None:
            continue
        ledger.move(
            task,
            TaskEvent.CARRY,
            started_at=before.started_at,
            ended_at=before.ended_at,
            exit_code=before.exit_code,
            detail=before.detail,
            outputs=before.outputs,
            carried_from=before.carried_from or before.run,
        )
        stored.setdefault(StageRef(run, task.step), {})[ref] = before.outputs
    for stage, kept in stored.items():
        outputs.add(stage, kept)


def _exclude(ledger: Ledger, run: int, excluded: frozenset[int]) -> None:
    for ordinal in excluded:
        task = ledger.task(TaskRef(run, ordinal))
        if task is not None:
            ledger.move(task, TaskEvent.SKIP, detail=NOT_SELECTED)
