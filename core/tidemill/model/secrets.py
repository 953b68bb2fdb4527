"""Which secrets a run will ask for, as far as that can be told before it starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tidelang import definition
from tidelang.evaluate import EvaluationError, Scope, evaluate
from tidelang.values import Secret
from tidemill.model.plan import Plan


def secrets_of(plan: Plan, ordinals: Iterable[int]) -> frozenset[str]:
    """The names that these tasks cannot do without.

    A choice that depends on what only happens in the run is left to the worker."""
    scope = Scope({"param": plan.params, "let": plan.lets})
    steps = {plan.step_of(ordinal).step.name: plan.step_of(ordinal).step for ordinal in ordinals}
    return frozenset(name for step in steps.values() for name in _of_step(step, scope))


def _of_step(step: definition.Step, scope: Scope) -> Iterator[str]:
    if step.when is not None and _known(step.when, scope) is False:
        return
    exprs = [expr for _, expr in (*step.env, *step.executor.settings)]
    if isinstance(step.action, definition.Script):
        exprs.extend(variable.value for variable in step.action.variables)
    for expr in exprs:
        yield from _of(expr, scope)


def _of(expr: definition.Expr, scope: Scope) -> Iterator[str]:
    left: list[Any] = [expr]
    while left:
        match left.pop():
            case ("secret", str(name)):
                yield name
            case ("ref", "let", name):
                yield from _of_let(scope.spaces["let"], name)
            case ("if", condition, then, otherwise):
                decided = _known(condition, scope)
                if isinstance(decided, bool):
                    left.append(then if decided else otherwise)
            case ("lit", _):
                pass
            case tuple() as parts:
                left.extend(parts)


def _of_let(lets: Mapping[str, Any], name: str) -> Iterator[str]:
    value = lets.get(name)
    if isinstance(value, Secret):
        yield from value.names


def _known(expr: definition.Expr, scope: Scope) -> object:
    try:
        return evaluate(expr, scope)
    except EvaluationError:
        return None
