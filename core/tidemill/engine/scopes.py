"""What the expressions of a task can see: params, lets, loop variables, facts of the run,
and the outputs and states of the steps it needs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from tidelang import values
from tidelang.evaluate import Scope
from tidemill.model import causes
from tidemill.model.outputs import to_value
from tidemill.model.plan import Instance, Plan, PlannedStep
from tidemill.model.rows import RunRow, StageRef, StageRow, TaskRef

Stored = dict[TaskRef, dict[str, Any] | None]

_CACHED_STAGES = 1_000


class Outputs:
    """Outputs of stages that have closed. They never change, so they are read once."""

    def __init__(self) -> None:
        self._cache: OrderedDict[StageRef, Stored] = OrderedDict()

    def load(
        self, refs: Iterable[StageRef], read: Callable[[list[StageRef]], dict[StageRef, Stored]]
    ) -> None:
        """Reads the stages that are not known yet."""
        missing = [ref for ref in dict.fromkeys(refs) if ref not in self._cache]
        if not missing:
            return
        found = read(missing)
        for ref in missing:
            self._cache[ref] = found.get(ref, {})
        while len(self._cache) > max(_CACHED_STAGES, len(missing)):
            self._cache.popitem(last=False)

    def add(self, ref: StageRef, stored: Stored) -> None:
        """What is known before it can be read: carried results of a new run."""
        self._cache[ref] = stored

    def of(self, ref: StageRef) -> Stored:
        """The outputs of a stage that was loaded."""
        return self._cache[ref]


def stage_state(stage: StageRow) -> str:
    """How a closed stage ended, as `when` and what needs it see it."""
    if stage.failed:
        return "failed"
    if stage.unmet:
        return "upstream_failed"
    if stage.tasks and stage.skipped == stage.tasks:
        return "skipped"
    return "succeeded"


def read_refs(run: int, step: PlannedStep) -> list[StageRef]:
    """The stages whose outputs a step's tasks and its list use."""
    return [StageRef(run, index) for index in (*step.reads, *step.draws)]


def task_scope(
    run: RunRow,
    plan: Plan,
    step: PlannedStep,
    instance: Instance,
    outputs: Outputs,
    *,
    attempt: int = 1,
    states: Mapping[str, str] | None = None,
) -> Scope:
    """The scope of one task. The outputs that the step reads must have been loaded."""
    spaces = {
        "param": plan.params,
        "let": plan.lets,
        "loop": instance.loop,
        "run": run_space(run, attempt),
        "step": _step_space(run.number, plan, step.reads, outputs),
    }
    return Scope(spaces, states or {})


def list_scope(run: RunRow, plan: Plan, step: PlannedStep, outputs: Outputs) -> Scope:
    """The scope of a fan-out's list. The outputs that it uses must have been loaded."""
    spaces = {
        "param": plan.params,
        "let": plan.lets,
        "run": run_space(run, attempt=1),
        "step": _step_space(run.number, plan, step.draws, outputs),
    }
    return Scope(spaces)


def _step_space(
    run: int, plan: Plan, indexes: Iterable[int], outputs: Outputs
) -> dict[str, values.Value]:
    steps = (plan.steps[index] for index in indexes)
    return {step.step.name: _step_value(run, step, outputs) for step in steps}


def run_space(run: RunRow, attempt: int) -> dict[str, values.Value]:
    """What `run` is in expressions and templates."""
    started = run.started_at or max(run.created_at, run.due_at or 0.0)  # it may be yet to come
    return {
        "id": str(run.number),
        "number": run.number,
        "pipeline": run.pipeline,
        "due": _iso(run.due_at or run.created_at),
        "started": _iso(started),
        "trigger": causes.started_by(run),
        "state": run.state.value,
        "attempt": attempt,
    }


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _step_value(run: int, upstream: PlannedStep, outputs: Outputs) -> values.Value:
    """A step's outputs by name; a list of them where the step fans out."""
    if upstream.unknown:
        return [{}]  # it was never laid out, so what it gave is missing, not an empty list
    stored = outputs.of(StageRef(run, upstream.index))
    each = [
        _task_value(upstream, instance, stored.get(TaskRef(run, instance.ordinal)))
        for instance in upstream.instances
    ]
    if upstream.step.loop is not None:
        return list(each)
    return each[0]


def _task_value(
    upstream: PlannedStep, instance: Instance, stored: Mapping[str, Any] | None
) -> dict[str, values.Value]:
    return {
        output.name: to_value(instance.key, output, stored[output.name])
        for output in upstream.step.outputs
        if stored is not None and output.name in stored
    }
