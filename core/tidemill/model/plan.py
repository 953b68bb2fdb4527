"""The plan of a run: a definition with its params bound and its fan-outs laid out.

A plan is worked out from the definition, the params and the lists of late fan-outs that
the run has stored, so every process that looks at a run has the same one: tasks are
numbered in it once and for all, those of late fan-outs behind all that were there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidelang import definition, values
from tidelang.evaluate import EvaluationError, Scope, evaluate
from tidemill.errors import UsageError
from tidemill.model.fan_out import Instance, instances, is_late, stand_in, uses_loop
from tidemill.model.reads import Reads, read_by_list, read_by_tasks

__all__ = ["MAX_TASKS", "Instance", "Plan", "PlannedStep", "make_plan"]

MAX_TASKS = 100_000

_Indexed = Mapping[int, frozenset[str]]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step and its instances. `needs`, `dependents`, `reads` and `draws` are indexes of
    steps; `reads` are those whose outputs its tasks use, `draws` those that its list is
    made of (both parts of `needs`), with the names of the outputs used.

    A late fan-out has a `stand_in`, and no `items` (and instances) until it is known."""

    index: int
    step: definition.Step
    instances: tuple[Instance, ...]
    needs: tuple[int, ...]
    dependents: tuple[int, ...]
    reads: _Indexed
    draws: _Indexed
    stand_in: Instance | None = None
    items: tuple[values.Value, ...] | None = None

    @property
    def first(self) -> int:
        return self.instances[0].ordinal if self.instances else -1

    @property
    def unknown(self) -> bool:
        """Whether it is a late fan-out whose list is not known yet."""
        return self.stand_in is not None and self.items is None

    @property
    def counted(self) -> tuple[Instance, ...]:
        """The tasks that its stage counts."""
        return self.instances or ((self.stand_in,) if self.stand_in else ())

    @property
    def rows(self) -> tuple[Instance, ...]:
        """All tasks that are stored of it."""
        return (self.stand_in, *self.instances) if self.stand_in else self.instances

    @property
    def asks_once(self) -> bool:
        """Whether its `when` means the same for all instances, known or not."""
        loop, when = self.step.loop, self.step.when
        return loop is not None and when is not None and not uses_loop(when, loop)

    def instance(self, ordinal: int) -> Instance:
        if self.stand_in is not None and ordinal == self.stand_in.ordinal:
            return self.stand_in
        return self.instances[ordinal - self.first]


@dataclass(frozen=True, slots=True)
class Plan:
    definition: definition.Definition
    params: Mapping[str, values.Value]
    lets: Mapping[str, values.Value]
    steps: tuple[PlannedStep, ...]
    by_task: tuple[int, ...] = field(repr=False)
    """The index of the step of each ordinal."""
    settled: int
    """How many tasks were known from the beginning: the first ordinals."""

    @property
    def size(self) -> int:
        return len(self.by_task)

    def step_of(self, ordinal: int) -> PlannedStep:
        return self.steps[self.by_task[ordinal]]

    def instance(self, ordinal: int) -> Instance:
        return self.step_of(ordinal).instance(ordinal)

    def late(self) -> list[PlannedStep]:
        """The late fan-outs whose lists are known."""
        return [step for step in self.steps if step.items is not None]

    def expanded(self, lists: Mapping[int, Sequence[values.Value]]) -> Plan:
        """The plan with these lists of late fan-outs, by step, in the order in which they
        became known.

        Raises:
            UsageError: an item does not fit, or there are too many tasks.
        """
        steps, by_task = list(self.steps), list(self.by_task)
        for index, items in lists.items():
            step = steps[index]
            _check_count(len(by_task) + len(items), step.step, len(items))
            made = instances(step.step, items, len(by_task))
            by_task.extend([index] * len(made))
            steps[index] = replace(step, instances=made, items=tuple(items))
        return replace(self, steps=tuple(steps), by_task=tuple(by_task))

    def topological(self) -> list[PlannedStep]:
        """Steps in an order in which none stands before one it needs; file order where
        that leaves a choice."""
        waiting = [len(step.needs) for step in self.steps]
        order, done = [], [index for index, count in enumerate(waiting) if not count]
        done.reverse()
        while done:
            step = self.steps[done.pop()]
            order.append(step)
            for index in reversed(step.dependents):
                waiting[index] -= 1
                if not waiting[index]:
                    done.append(index)
        return order


def make_plan(definition: definition.Definition, params: Mapping[str, values.Value]) -> Plan:
    """Lays out a run, as far as it is known before any step has run.

    Raises:
        UsageError: a `let` or a fan-out has no value with these params, or there are too
            many tasks.
    """
    lets: dict[str, values.Value] = {}
    scope = Scope({"param": params, "let": lets}, {})
    for let in definition.lets:
        lets[let.name] = _value(let.value, scope, f"let {let.name}")
    index_of = {step.name: index for index, step in enumerate(definition.steps)}
    dependents = _dependents(definition.steps, index_of)
    steps: list[PlannedStep] = []
    by_task: list[int] = []
    for index, step in enumerate(definition.steps):
        late = stand_in(step, len(by_task)) if is_late(step.loop) else None
        made = () if late else _instances(step, scope, len(by_task))
        by_task.extend([index] * (1 if late else len(made)))
        _check_count(len(by_task), step, len(made))
        planned = PlannedStep(
            index,
            step,
            made,
            tuple(index_of[need] for need in step.needs),
            tuple(dependents[index]),
            _indexed(read_by_tasks(step), index_of),
            _indexed(read_by_list(step), index_of),
            late,
        )
        steps.append(planned)
    return Plan(definition, params, lets, tuple(steps), tuple(by_task), len(by_task))


def _dependents(
    steps: Sequence[definition.Step], index_of: Mapping[str, int]
) -> Sequence[Sequence[int]]:
    dependents: list[list[int]] = [[] for _ in steps]
    for index, step in enumerate(steps):
        for need in step.needs:
            dependents[index_of[need]].append(index)
    return dependents


def _indexed(reads: Reads, index_of: Mapping[str, int]) -> _Indexed:
    return {index_of[name]: outputs for name, outputs in reads.items()}


def _check_count(size: int, step: definition.Step, count: int) -> None:
    if size > MAX_TASKS:
        raise UsageError(
            f"the run would have more than {MAX_TASKS} tasks:"
            f" step {step.name} alone fans out to {count}"
        )


def _value(expr: definition.Expr, scope: Scope, what: str) -> values.Value:
    try:
        return evaluate(expr, scope)
    except EvaluationError as error:
        raise UsageError(f"{what} has no value with these params: {error}") from None


def _instances(step: definition.Step, scope: Scope, first: int) -> tuple[Instance, ...]:
    if step.loop is None:
        return (Instance(first, step.name, {}),)
    items = _value(step.loop.items, scope, f"the fan-out of step {step.name}")
    return instances(step, listed(step, items), first)


def listed(step: definition.Step, items: values.Value) -> list[values.Value]:
    """What a fan-out goes through.

    Raises:
        UsageError: it is no list.
    """
    if not isinstance(items, list):
        raise UsageError(f"the fan-out of step {step.name} is over {values.to_text(items)}")
    return items
