"""What a retry of a run carries over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tidemill.engine.fan_out import picked_of
from tidemill.model.plan import Plan, make_plan
from tidemill.model.rows import RunRow, TaskRow
from tidemill.model.states import TaskState

_SETTLED = frozenset({TaskState.SUCCEEDED, TaskState.SKIPPED, TaskState.EXPANDED})


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
