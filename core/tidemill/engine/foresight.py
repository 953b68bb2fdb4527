"""What a turn will ask the database for, as far as plans that are known tell it: asked for in
one go, when the families are taken in hand, it costs one journey instead of four.

It is a guess, and nothing follows from it: what is missing is read when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tidemill.engine.plans import Plans
from tidemill.engine.progress import around
from tidemill.model.messages import Report, Result, Started, Voided
from tidemill.model.plan import PlannedStep
from tidemill.model.rows import StageRef, TaskRef

FEW = 50
"""Tasks of a stage that are read ahead, at most: it may not be freed after all."""


class Foreseen(NamedTuple):
    tasks: list[TaskRef]
    stages: list[StageRef]
    tasks_of: list[StageRef]


def foresee(reports: Sequence[Report], plans: Plans) -> Foreseen:
    """What these reports lead to: their tasks; of those that end, the stages around, and
    the tasks of the stages that this frees for sure."""
    tasks = {r.ref: None for r in reports if isinstance(r, Started | Voided | Result)}
    ending: dict[StageRef, None] = {}
    freed: dict[StageRef, None] = {}
    for run, step in _steps([r.ref for r in reports if isinstance(r, Result)], plans):
        ending[StageRef(run, step.index)] = None
        plan = plans.of(run)
        dependents = [plan.steps[index] for index in step.dependents]
        if len(step.counted) == 1:
            few = (d for d in dependents if len(d.needs) == 1 and len(d.rows) <= FEW)
            freed.update((StageRef(run, d.index), None) for d in few)
    return Foreseen(list(tasks), list(around(ending, plans)), list(freed))


def _steps(refs: Iterable[TaskRef], plans: Plans) -> Iterable[tuple[int, PlannedStep]]:
    """The steps of tasks, where they are known."""
    for ref in refs:
        plan = plans.find(ref.run)
        if plan is not None and ref.ordinal < plan.size:
            yield ref.run, plan.step_of(ref.ordinal)
