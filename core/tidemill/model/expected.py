"""What is expected of a run, from how long its steps have taken before: the ways through its
graph, and how much later than at once a step may start."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tidelang.definition import Approval
from tidemill.model.plan import Plan, PlannedStep


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


def remaining(found: Ways, open_steps: Collection[int]) -> float:
    """The longest expected way to the run's end from any step that has not ended."""
    return max((found.after[step] for step in open_steps), default=0.0)


def _seconds(step: PlannedStep, durations: Mapping[str, float], unknown: float) -> float:
    if isinstance(step.step.action, Approval):
        return 0.0  # nobody can tell how long people take
    seconds = durations.get(step.step.name, unknown)
    limit = step.step.max_parallel
    return seconds * -(-len(step.counted) // limit) if limit else seconds
