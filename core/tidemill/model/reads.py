"""Which outputs of which steps a step's expressions use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidelang import definition

Reads = Mapping[str, frozenset[str]]
"""The names of the outputs used, by the name of their step."""


def read_by_tasks(step: definition.Step) -> Reads:
    """What each of a step's tasks uses."""
    return _reads(
        step.when,
        step.action,
        step.env,
        step.workdir,
        [output.glob for output in step.outputs],
        step.executor.settings,
        step.cache,
    )


def read_by_list(step: definition.Step) -> Reads:
    """What the list of its fan-out is made of."""
    return _reads(step.loop.items if step.loop is not None else None)


def _reads(*parts: Any) -> Reads:
    reads: dict[str, set[str]] = {}
    stack: list[Any] = list(parts)
    while stack:
        match stack.pop():
            case definition.Script(variables=variables):
                stack.extend(variable.value for variable in variables)
            case definition.Argv(items=items):
                stack.extend(items)
            case definition.Approval(prompt=prompt):
                stack.append(prompt)
            case definition.Subrun(params=params):
                stack.extend(value for _, value in params)
            case definition.Cache(inputs=inputs, key=key):
                stack.extend((*inputs, key))
            case ("get", ("ref", "step", name), output):
                reads.setdefault(name, set()).add(output)
            case tuple() | list() as inner:
                stack.extend(inner)
    return {name: frozenset(outputs) for name, outputs in reads.items()}
