"""The plan of a run: a definition with its params bound and its fan-outs laid out.

A plan is worked out from the definition and the params alone, so every process that
looks at a run has the same one: tasks are numbered in it once and for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidelang import definition, values
from tidelang.evaluate import EvaluationError, Scope, evaluate
from tidemill.errors import UsageError

MAX_TASKS = 100_000
_KEY_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Instance:
    """A task as planned: `loop` holds the values of its loop variables."""

    ordinal: int
    key: str
    loop: Mapping[str, values.Value]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step and its instances. `needs`, `dependents` and `reads` are indexes of steps;
    `reads` are those whose outputs its expressions use (a part of `needs`), with the
    names of the outputs used."""

    index: int
    step: definition.Step
    instances: tuple[Instance, ...]
    needs: tuple[int, ...]
    dependents: tuple[int, ...]
    reads: Mapping[int, frozenset[str]]

    @property
    def first(self) -> int:
        return self.instances[0].ordinal if self.instances else -1

    def instance(self, ordinal: int) -> Instance:
        return self.instances[ordinal - self.first]


@dataclass(frozen=True, slots=True)
class Plan:
    definition: definition.Definition
    params: Mapping[str, values.Value]
    lets: Mapping[str, values.Value]
    steps: tuple[PlannedStep, ...]
    by_task: tuple[int, ...] = field(repr=False)
    """The index of the step of each ordinal."""

    @property
    def size(self) -> int:
        return len(self.by_task)

    def step_of(self, ordinal: int) -> PlannedStep:
        return self.steps[self.by_task[ordinal]]

    def instance(self, ordinal: int) -> Instance:
        return self.step_of(ordinal).instance(ordinal)

    def instances(self) -> Iterable[tuple[PlannedStep, Instance]]:
        return ((step, instance) for step in self.steps for instance in step.instances)

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
    """Lays out a run.

    Raises:
        UsageError: a `let` or a fan-out has no value with these params, or there are too
            many tasks.
    """
    lets: dict[str, values.Value] = {}
    scope = Scope({"param": params, "let": lets}, {})
    for let in definition.lets:
        lets[let.name] = _value(let.value, scope, f"let {let.name}")
    index_of = {step.name: index for index, step in enumerate(definition.steps)}
    dependents: list[list[int]] = [[] for _ in definition.steps]
    for index, step in enumerate(definition.steps):
        for need in step.needs:
            dependents[index_of[need]].append(index)
    steps: list[PlannedStep] = []
    by_task: list[int] = []
    for index, step in enumerate(definition.steps):
        instances = _instances(step, scope, len(by_task))
        by_task.extend([index] * len(instances))
        if len(by_task) > MAX_TASKS:
            raise UsageError(
                f"the pipeline has more than {MAX_TASKS} tasks with these params",
                f"step {step.name} alone fans out to {len(instances)}",
            )
        reads = {index_of[name]: outputs for name, outputs in _reads(step).items()}
        needs = tuple(index_of[need] for need in step.needs)
        steps.append(PlannedStep(index, step, instances, needs, tuple(dependents[index]), reads))
    return Plan(definition, params, lets, tuple(steps), tuple(by_task))


def _value(expr: definition.Expr, scope: Scope, what: str) -> values.Value:
    try:
        return evaluate(expr, scope)
    except EvaluationError as error:
        raise UsageError(f"{what} has no value with these params: {error}") from None


def _instances(step: definition.Step, scope: Scope, first: int) -> tuple[Instance, ...]:
    if step.loop is None:
        return (Instance(first, step.name, {}),)
    items = _value(step.loop.items, scope, f"the fan-out of step {step.name}")
    if not isinstance(items, list):
        raise UsageError(f"the fan-out of step {step.name} is over {values.to_text(items)}")
    if len(items) > MAX_TASKS:
        raise UsageError(f"step {step.name} fans out to {len(items)} tasks, over {MAX_TASKS}")
    instances: list[Instance] = []
    seen: set[str] = set()
    for item in items:
        loop = _loop(step, step.loop.names, item)
        label = ",".join(_label(value) for value in loop.values())
        key = name = f"{step.name}[{label}]"
        count = 1
        while key in seen:
            count += 1
            key = f"{name}#{count}"
        seen.add(key)
        instances.append(Instance(first + len(instances), key, loop))
    return tuple(instances)


def _loop(
    step: definition.Step, names: tuple[str, ...], item: values.Value
) -> dict[str, values.Value]:
    if len(names) == 1:
        return {names[0]: item}
    if not isinstance(item, list) or len(item) != len(names):
        raise UsageError(
            f"step {step.name} takes {len(names)} values apiece ({', '.join(names)}),"
            f" but its list holds {values.to_text(item)}"
        )
    return dict(zip(names, item, strict=True))


def _label(value: values.Value) -> str:
    """A loop value in a task's key: short, on one line, printable."""
    text = "".join(c if c.isprintable() else "?" for c in values.to_text(value))
    return text if len(text) <= _KEY_LENGTH else text[: _KEY_LENGTH - 1] + "…"


def _reads(step: definition.Step) -> dict[str, frozenset[str]]:
    """Which outputs of which steps a step's expressions use."""
    reads: dict[str, set[str]] = {}
    stack: list[Any] = [
        step.when,
        step.action,
        step.env,
        step.workdir,
        [output.glob for output in step.outputs],
        step.executor.settings,
        step.cache,
    ]
    while stack:
        match stack.pop():
            case definition.Script(variables=variables):
                stack.extend(variable.value for variable in variables)
            case definition.Argv(items=items):
                stack.extend(items)
            case definition.Approval(prompt=prompt):
                stack.append(prompt)
            case definition.Cache(inputs=inputs, key=key):
                stack.extend((*inputs, key))
            case ("get", ("ref", "step", name), output):
                reads.setdefault(name, set()).add(output)
            case tuple() | list() as parts:
                stack.extend(parts)
    return {name: frozenset(outputs) for name, outputs in reads.items()}
