"""Making a run: its row, its stages and all its tasks, in one transaction, each task in
the state it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidelang import values
from tidemill.engine.ledger import Ledger
from tidemill.engine.progress import Progress
from tidemill.engine.scopes import Outputs
from tidemill.errors import UsageError
from tidemill.model.plan import Plan, PlannedStep
from tidemill.model.rows import RunRow, StageRef, StageRow, TaskRef, TaskRow
from tidemill.model.selection import outputs_wanted
from tidemill.model.states import RunState, TaskState
from tidemill.model.transitions import TaskEvent
from tidemill.ports import Transaction

NOT_SELECTED = "not selected"


@dataclass(frozen=True, slots=True)
class NewRun:
    """What a run is made of. `carried` are earlier tasks, by ordinal of the new run,
    whose results it takes over; of `chosen`, those that take part."""

    plan: Plan
    digest: str
    content: bytes
    file: str
    chosen: frozenset[int]
    carried: Mapping[int, TaskRow]
    retry_of: int | None = None
    origin: int | None = None
    fresh: bool = False


def carried_outputs(tx: Transaction, plan: Plan, chosen: frozenset[int]) -> dict[int, TaskRow]:
    """The latest results of tasks that do not take part but are read by some that do.

    Raises:
        UsageError: there is no such result yet.
    """
    wanted = outputs_wanted(plan, chosen)
    if not wanted:
        return {}
    keys = {ordinal: plan.instance(ordinal).key for ordinal in wanted}
    found = tx.latest_successes(plan.definition.name, keys.values())
    for ordinal, key in keys.items():
        if key not in found:
            reader = min(wanted[ordinal])
            raise UsageError(
                f"step {reader} uses the outputs of {key}, which is not selected"
                " and has not succeeded in an earlier run",
                f"select {plan.step_of(ordinal).step.name} too, or run it once before",
            )
    return {ordinal: found[key] for ordinal, key in keys.items()}


def create_run(tx: Transaction, new: NewRun, now: float) -> RunRow:
    """Stores a run; what can be decided without any step having run is decided."""
    plan = new.plan
    tx.add_definition(new.digest, plan.definition.name, new.content, now)
    excluded = frozenset(range(plan.size)) - new.chosen - new.carried.keys()
    run = RunRow(
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
        excluded=tuple(sorted(excluded)),
        fresh=new.fresh,
    )
    run = run._replace(number=tx.new_run(run))
    ledger = Ledger(now, lease=0)
    ledger.add_runs([run])
    ledger.add_stages(_stage(run.number, step, new, excluded) for step in plan.steps)
    ledger.add_tasks(
        TaskRow(run.number, instance.ordinal, step.index, instance.key, TaskState.BLOCKED)
        for step, instance in plan.instances()
    )
    outputs = Outputs()
    _carry(ledger, run.number, new, outputs)
    _exclude(ledger, run.number, excluded)
    Progress(ledger, lambda _: plan, outputs, tx).begin(run.number)
    ledger.record("run", run.number, None, state=run.state.value)
    stages, tasks = ledger.take_new()
    tx.insert(stages, tasks)
    ledger.flush(tx)
    return ledger.run(run.number)


def _stage(run: int, step: PlannedStep, new: NewRun, excluded: frozenset[int]) -> StageRow:
    ordinals = [instance.ordinal for instance in step.instances]
    tasks = sum(1 for ordinal in ordinals if ordinal not in excluded)
    carried = sum(1 for ordinal in ordinals if ordinal in new.carried)
    return StageRow(run, step.index, len(step.needs), open=tasks - carried, tasks=tasks)


def _carry(ledger: Ledger, run: int, new: NewRun, outputs: Outputs) -> None:
    """Takes over earlier results; what is read of them cannot be read from the database
    before this transaction has written it."""
    stored: dict[StageRef, dict[TaskRef, dict[str, object] | None]] = {}
    for ordinal, earlier in new.carried.items():
        ref = TaskRef(run, ordinal)
        task = ledger.task(ref)
        if task is None:
            continue
        ledger.move(
            task,
            TaskEvent.CARRY,
            started_at=earlier.started_at,
            ended_at=earlier.ended_at,
            exit_code=earlier.exit_code,
            detail=earlier.detail,
            outputs=earlier.outputs,
            carried_from=earlier.carried_from or earlier.run,
        )
        stored.setdefault(StageRef(run, task.step), {})[ref] = earlier.outputs
    for stage, kept in stored.items():
        outputs.add(stage, kept)
    ledger.ended.clear()  # the stages were made without them


def _exclude(ledger: Ledger, run: int, excluded: frozenset[int]) -> None:
    for ordinal in excluded:
        task = ledger.task(TaskRef(run, ordinal))
        if task is not None:
            ledger.move(task, TaskEvent.SKIP, detail=NOT_SELECTED)
    ledger.ended.clear()
