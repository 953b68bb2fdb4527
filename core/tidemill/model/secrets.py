"""Which secrets a run will ask for, as far as that can be told before it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from tidelang import definition
from tidelang.evaluate import EvaluationError, Scope, evaluate
from tidelang.values import Secret
from tidemill.model.plan import Plan

DefinitionOf = Callable[[str], definition.Definition]
"""The definition with this digest."""


def secrets_of(plan: Plan, ordinals: Iterable[int], called: DefinitionOf) -> frozenset[str]:
    """The names that these tasks, and the pipelines that they run, cannot do without.

    A choice that depends on what only happens in the run is left to the worker."""
    scope = Scope({"param": plan.params, "let": plan.lets})
    steps = {plan.step_of(ordinal).step.name: plan.step_of(ordinal).step for ordinal in ordinals}
    search = _Search(called)
    for step in steps.values():
        search.in_step(step, scope)
    return frozenset(search.found)


def secrets_of_notifiers(plan: Plan) -> frozenset[str]:
    """The names that those who tell people of the run cannot do without."""
    scope = Scope({"param": plan.params, "let": plan.lets})
    exprs = [expr for block in plan.definition.notifications for _, expr in block.settings]
    return frozenset(name for expr in exprs for name in _of(expr, scope))


@dataclass(frozen=True, slots=True)
class _Search:
    called: DefinitionOf
    found: set[str] = field(default_factory=set)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def in_step(self, step: definition.Step, scope: Scope) -> None:
        if step.when is not None and _known(step.when, scope) is False:
            return
        exprs = [expr for _, expr in (*step.env, *step.executor.settings)]
        if isinstance(step.action, definition.Script):
            exprs.extend(variable.value for variable in step.action.variables)
        elif isinstance(step.action, definition.Subrun):
            self._in_pipeline(step.action, scope)
        for expr in exprs:
            self.found.update(_of(expr, scope))

    def _in_pipeline(self, action: definition.Subrun, scope: Scope) -> None:
        """In a pipeline that a step runs, with the arguments that are known by now."""
        pipeline = self.called(action.digest)
        given = dict(action.params)
        params = {
            param.name: _known(given[param.name], scope)
            if param.name in given
            else _known(param.default or ("lit", None), Scope())
            for param in pipeline.params
        }
        params = {name: value for name, value in params.items() if value is not None}
        key = (action.digest, repr(params))
        if key in self._seen:
            return
        self._seen.add(key)
        lets: dict[str, Any] = {}
        inner = Scope({"param": params, "let": lets})
        for let in pipeline.lets:
            if (value := _known(let.value, inner)) is not None:
                lets[let.name] = value
        for step in pipeline.steps:
            self.in_step(step, inner)


_WORDS = frozenset({"needs", "names", "by", "members", "interpreter", "on"})
"""Fields of a definition that hold words, which might look like an expression."""


def named_in(meaning: definition.Definition) -> frozenset[str]:
    """The names that stand anywhere in a definition, whatever a run would need."""
    return frozenset(_named(meaning))


def _named(meaning: object) -> Iterator[str]:
    left: list[object] = [meaning]
    while left:
        match left.pop():
            case ("secret", str(name)):
                yield name
            case ("lit", _):
                pass
            case tuple() as parts:
                left.extend(parts)
            case part if is_dataclass(part) and not isinstance(part, type):
                left.extend(getattr(part, f.name) for f in fields(part) if f.name not in _WORDS)


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


def _known(expr: definition.Expr, scope: Scope) -> Any:
    try:
        return evaluate(expr, scope)
    except EvaluationError:
        return None
