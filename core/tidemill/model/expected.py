"""What is expected of a run, from how long its steps have taken before: the ways through its
graph, and how much later than at once a step may start."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tidelang.definition import Approval
from tidemill.model.plan import Plan, PlannedStep
from tidemill.model.rows import TaskRow


@dataclass(frozen=True, slots=True)
class Ways:
    """By the index of a step, in seconds: `before` is the longest expected way from the run's
    start to the step's, `after` the longest one from the step's start to the run's end, the
    step itself with it."""

    before: tuple[float, ...]
    after: tuple[float, ...]

    @property
    def total(self) -> float:
        """The critical path: what the run takes where workers are never short."""
        return max(self.after, default=0.0)

    def slack(self, step: int) -> float:
        """How much later than at once the step may start without the run ending later: its
        total float, of the critical path method (Kelley and Walker, 1959)."""
        return max(self.total - self.before[step] - self.after[step], 0.0)


def ways(plan: Plan, durations: Mapping[str, float], unknown: float = 0.0) -> Ways:
    """`durations` are the expected seconds of an instance by the name of its step; `unknown`
    counts for steps that have none. The instances of a fan-out go side by side, as many at a
    time as its `max_parallel` lets."""
    order = plan.topological()
    before = [0.0] * len(plan.steps)
    after = [0.0] * len(plan.steps)
    for step in order:
        seconds = _seconds(step, durations, unknown)
        for dependent in step.dependents:
            before[dependent] = max(before[dependent], before[step.index] + seconds)
    for step in reversed(order):
        rest = max((after[dependent] for dependent in step.dependents), default=0.0)
        after[step.index] = _seconds(step, durations, unknown) + rest
    return Ways(tuple(before), tuple(after))


def time_left(
    plan: Plan, durations: Mapping[str, float], open_tasks: Iterable[TaskRow], now: float
) -> float:
    """The longest expected way, in seconds, through the tasks of a run that have not ended.
    What is at work has been so since it started; a step without history counts for nothing."""
    by_step: dict[int, list[TaskRow]] = defaultdict(list)
    for task in open_tasks:
        by_step[task.step].append(task)
    left: dict[int, float] = {}
    for step in reversed(plan.topological()):
        tasks = by_step.get(step.index)
        if tasks:
            rest = max((left.get(dependent, 0.0) for dependent in step.dependents), default=0.0)
            left[step.index] = _seconds_left(step, durations, tasks, now) + rest
    return max(left.values(), default=0.0)


def _seconds_left(
    step: PlannedStep, durations: Mapping[str, float], tasks: list[TaskRow], now: float
) -> float:
    going = min(now - task.started_at if task.started_at else 0.0 for task in tasks)
    return max(_together(step, len(tasks), durations, 0.0) - max(going, 0.0), 0.0)


def _seconds(step: PlannedStep, durations: Mapping[str, float], unknown: float) -> float:
    return _together(step, len(step.counted), durations, unknown)


def _together(
    step: PlannedStep, count: int, durations: Mapping[str, float], unknown: float
) -> float:
    """So many tasks of a step, as many side by side as it lets."""
    if isinstance(step.step.action, Approval):
        return 0.0  # nobody can tell how long people take
    seconds = durations.get(step.step.name, unknown)
    limit = step.step.max_parallel
    return seconds * -(-count // limit) if limit else seconds
