"""Working out expressions: an `Expr` of a definition and a scope give a value.

Each expression is turned into closures once and kept, since the same few run for every
task. What an expression may cost is bounded (`tidelang.bounds`). Nothing here knows
syntax, files or the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidelang import bounds, finding
from tidelang.arithmetic import OPERATIONS, kind, negate
from tidelang.bounds import EvaluationError, MissingError
from tidelang.definition import Expr
from tidelang.functions import FUNCTIONS
from tidelang.values import Duration, Secret, SecretName, Size, Value, to_text

__all__ = ["EvaluationError", "MissingError", "Scope", "evaluate"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What names stand for. In space `step` a step has a map of its outputs, or a list
    of such maps where it was fanned out; `states` has the state each step ended in."""

    spaces: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)


class _Frame:
    """One evaluation: the scope, the loop variables bound so far, the work still allowed."""

    __slots__ = ("left", "loop", "scope")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.loop: dict[str, Value] = {}
        self.left = bounds.MAX_WORK

    def charge(self, work: int) -> None:
        self.left -= work
        if self.left < 0:
            raise EvaluationError(f"this takes more than {bounds.MAX_WORK:,} steps to work out")


_Code = Callable[[_Frame], Value]

_KEPT = 20_000
_codes: dict[int, tuple[Expr, _Code]] = {}
"""By identity, and holding the expression so that its identity stays its own: tuples
that are equal (`("lit", 1)`, `("lit", True)`) need not mean the same."""


def evaluate(expr: Expr, scope: Scope) -> Value:
    """The value of an expression.

    Raises:
        EvaluationError: it has none, and why.
    """
    kept = _codes.get(id(expr))
    try:
        code = kept[1] if kept is not None else _keep(expr)
        value = code(_Frame(scope))
    except RecursionError:
        raise EvaluationError("the expression is nested too deeply") from None
    if isinstance(value, list | dict) and (
        bounds.weigh(value, bounds.MAX_ITEMS) > bounds.MAX_ITEMS
    ):
        raise EvaluationError(f"the value has more than {bounds.MAX_ITEMS:,} items")
    return value


def _keep(expr: Expr) -> _Code:
    if len(_codes) >= _KEPT:
        _codes.clear()
    code = _code(expr, bounds.MAX_DEPTH)
    _codes[id(expr)] = (expr, code)
    return code


def _code(expr: Expr, depth: int) -> _Code:
    if depth <= 0:
        raise EvaluationError(f"the expression is nested more than {bounds.MAX_DEPTH} deep")
    return _MAKERS[expr[0]](expr, depth - 1)


def _codes_of(exprs: tuple[Expr, ...], depth: int) -> tuple[_Code, ...]:
    return tuple(_code(expr, depth) for expr in exprs)


# --- leaves ------------------------------------------------------------------------


def _literal(expr: Expr, _: int) -> _Code:
    value: Value = expr[1]
    return lambda _: value


def _duration(expr: Expr, _: int) -> _Code:
    value = Duration(expr[1])
    return lambda _: value


def _size(expr: Expr, _: int) -> _Code:
    value = Size(expr[1])
    return lambda _: value


def _secret(expr: Expr, _: int) -> _Code:
    value = Secret((SecretName(expr[1]),))
    return lambda _: value


def _reference(expr: Expr, _: int) -> _Code:
    space, name = expr[1], expr[2]

    def in_space(frame: _Frame) -> Value:
        try:
            value: Value = frame.scope.spaces[space][name]
        except KeyError:
            shown = f"{space}.{name}" if space in ("run", "event") else name
            raise MissingError(f"`{shown}` has no value here") from None
        return value

    def in_loop(frame: _Frame) -> Value:
        return frame.loop[name] if name in frame.loop else in_space(frame)

    return in_loop if space == "loop" else in_space


def _state(expr: Expr, _: int) -> _Code:
    wanted, step = _STATES[expr[1]], expr[2]

    def run(frame: _Frame) -> Value:
        state = frame.scope.states.get(step)
        if state is None:
            raise MissingError(f"step `{step}` has not ended")
        return state in wanted

    return run


_FAILED = frozenset({"failed", "timed_out", "lost", "cancelled"})
_SKIPPED = frozenset({"skipped", "upstream_failed"})
_STATES = {
    "succeeded": frozenset({"succeeded"}),
    "failed": _FAILED,
    "skipped": _SKIPPED,
    "done": _FAILED | _SKIPPED | {"succeeded", "done"},
}

# --- members -----------------------------------------------------------------------


def _get(expr: Expr, depth: int) -> _Code:
    owner, name = expr[1], expr[2]
    code = _code(owner, depth)
    of_step = owner[0] == "ref" and owner[1] == "step"

    def run(frame: _Frame) -> Value:
        value = code(frame)
        if isinstance(value, dict):
            if name in value:
                return value[name]
            raise MissingError(_no_output(owner[2], name) if of_step else f"no member `{name}`")
        if of_step and isinstance(value, list):
            frame.charge(len(value))
            return [_output(owner[2], each, name) for each in value]
        raise EvaluationError(f"{kind(value)} has no member `{name}`")

    return run


def _output(step: str, outputs: Value, name: str) -> Value:
    if isinstance(outputs, dict) and name in outputs:
        return outputs[name]
    raise MissingError(_no_output(step, name))


def _no_output(step: str, name: str) -> str:
    return f"step `{step}` gave no output `{name}`"


def _at(expr: Expr, depth: int) -> _Code:
    owner, index = _code(expr[1], depth), _code(expr[2], depth)

    def run(frame: _Frame) -> Value:
        value, at = owner(frame), index(frame)
        if isinstance(value, dict):
            if isinstance(at, str) and at in value:
                return value[at]
            raise MissingError(f"no member {to_text(at)!r}")
        if not isinstance(value, list | str) or type(at) is not int:
            raise EvaluationError(f"cannot take item {to_text(at)} of {kind(value)}")
        if not -len(value) <= at < len(value):
            raise MissingError(f"there is no item {at}: it has {len(value)}")
        return value[at]

    return run


# --- operators ---------------------------------------------------------------------


def _condition(code: _Code, frame: _Frame) -> bool:
    value = code(frame)
    if isinstance(value, bool):
        return value
    raise EvaluationError(f"a condition is true or false, not {kind(value)}")


def _operator(expr: Expr, depth: int) -> _Code:
    name, left, right = expr[1], _code(expr[2], depth), _code(expr[3], depth)
    if name == "and":
        return lambda frame: _condition(left, frame) and _condition(right, frame)
    if name == "or":
        return lambda frame: _condition(left, frame) or _condition(right, frame)
    operation = OPERATIONS[name]

    def run(frame: _Frame) -> Value:
        one, other = left(frame), right(frame)
        if isinstance(one, list) or isinstance(other, list | dict):
            frame.charge(_length(one) + _length(other))
        return operation(one, other)

    return run


def _length(value: Value) -> int:
    return len(value) if isinstance(value, list | dict) else 0


def _not(expr: Expr, depth: int) -> _Code:
    code = _code(expr[1], depth)
    return lambda frame: not _condition(code, frame)


def _negative(expr: Expr, depth: int) -> _Code:
    code = _code(expr[1], depth)
    return lambda frame: negate(code(frame))


def _if(expr: Expr, depth: int) -> _Code:
    condition, then, otherwise = _codes_of(expr[1:4], depth)
    return lambda frame: then(frame) if _condition(condition, frame) else otherwise(frame)


# --- what holds values ---------------------------------------------------------------


def _list(expr: Expr, depth: int) -> _Code:
    codes = _codes_of(expr[1], depth)

    def run(frame: _Frame) -> Value:
        items = [code(frame) for code in codes]
        frame.charge(bounds.weigh(items, bounds.MAX_WORK))
        return items

    return run


def _object(expr: Expr, depth: int) -> _Code:
    codes = tuple((key, _code(value, depth)) for key, value in expr[1])

    def run(frame: _Frame) -> Value:
        members = {key: code(frame) for key, code in codes}
        frame.charge(bounds.weigh(members, bounds.MAX_WORK))
        return members

    return run


def _each(expr: Expr, depth: int) -> _Code:
    names: tuple[str, ...] = expr[2]
    element, iterable = _code(expr[1], depth), _code(expr[3], depth)
    condition = _code(expr[4], depth) if expr[4] is not None else None

    def run(frame: _Frame) -> Value:
        items = iterable(frame)
        if not isinstance(items, list):
            raise EvaluationError(f"only a list can be gone through, not {kind(items)}")
        result: list[Value] = []
        for item in items:
            frame.charge(1)
            frame.loop.update(bind(names, item))
            if condition is None or _condition(condition, frame):
                value = element(frame)
                frame.charge(bounds.weigh(value, bounds.MAX_WORK))
                result.append(value)
        for name in names:
            frame.loop.pop(name, None)
        return result

    return run


def bind(names: tuple[str, ...], item: Value) -> dict[str, Value]:
    """The variables of a loop for one item: one takes it whole, several take its parts.

    Raises:
        EvaluationError: the item has not as many parts as there are names.
    """
    if len(names) == 1:
        return {names[0]: item}
    if not isinstance(item, list) or len(item) != len(names):
        found = f"a list of {len(item)}" if isinstance(item, list) else kind(item)
        raise EvaluationError(f"an item should be a list of {len(names)} values, not {found}")
    return dict(zip(names, item, strict=True))


def _text(expr: Expr, depth: int) -> _Code:
    codes = _codes_of(expr[1], depth)

    def run(frame: _Frame) -> Value:
        values = [code(frame) for code in codes]
        texts = []
        for value in values:
            if value is None or isinstance(value, list | dict):
                raise EvaluationError(f"{kind(value)} cannot stand in a text")
            if isinstance(value, Secret):
                return _secret_text(values)
            texts.append(to_text(value))
        bounds.text_length(sum(map(len, texts)))
        frame.charge(sum(map(len, texts)) >> 8)
        return "".join(texts)

    return run


def _secret_text(values: list[Value]) -> Secret:
    parts: list[str | SecretName] = []
    for value in values:
        if value is None or isinstance(value, list | dict):
            raise EvaluationError(f"{kind(value)} cannot stand in a text")
        parts.extend(value.parts if isinstance(value, Secret) else (to_text(value),))
    bounds.text_length(sum(len(part) if isinstance(part, str) else 1 for part in parts))
    return Secret(tuple(parts))


# --- calls ---------------------------------------------------------------------------


def _call(expr: Expr, depth: int) -> _Code:
    name = expr[1]
    given = _codes_of(expr[2], depth)
    named = tuple((key, _code(value, depth)) for key, value in expr[3])
    if name == "default":
        return _default(*given)
    function = FUNCTIONS[name].run
    if function is None:
        raise EvaluationError(f"`{name}` cannot be called")
    run_function: Callable[..., Value] = function

    def run(frame: _Frame) -> Value:
        values = [code(frame) for code in given]
        keywords = {key: code(frame) for key, code in named}
        frame.charge(bounds.weigh([*values, *keywords.values()], bounds.MAX_WORK))
        try:
            result = run_function(*values, **keywords)
        except (ValueError, TypeError, AttributeError) as error:
            raise EvaluationError(_because(name, values, error)) from None
        frame.charge(bounds.weigh(result, bounds.MAX_WORK))
        return result

    return run


def _foreign(expr: Expr, depth: int) -> _Code:
    """Looked up at each call: that of a plugin may be installed later."""
    _, name, origin = expr[:3]
    given = _codes_of(expr[3], depth)
    named = tuple((key, _code(value, depth)) for key, value in expr[4])

    def run(frame: _Frame) -> Value:
        values = [code(frame) for code in given]
        keywords = {key: code(frame) for key, code in named}
        frame.charge(bounds.weigh([*values, *keywords.values()], bounds.MAX_WORK))
        run_function = finding.find(name, origin).run
        result = run_function(*values, **keywords) if run_function else None
        frame.charge(bounds.weigh(result, bounds.MAX_WORK))
        return result

    return run


def _because(name: str, values: list[Value], error: Exception) -> str:
    if type(error) is ValueError:
        return f"`{name}`: {error}"
    return f"`{name}` cannot take {', '.join(map(kind, values))}"


def _default(value: _Code, otherwise: _Code) -> _Code:
    def run(frame: _Frame) -> Value:
        try:
            found = value(frame)
        except MissingError:
            found = None
        return otherwise(frame) if found is None else found

    return run


_MAKERS: dict[str, Callable[[Expr, int], _Code]] = {
    "lit": _literal,
    "dur": _duration,
    "size": _size,
    "secret": _secret,
    "ref": _reference,
    "state": _state,
    "get": _get,
    "at": _at,
    "op": _operator,
    "not": _not,
    "neg": _negative,
    "if": _if,
    "list": _list,
    "obj": _object,
    "each": _each,
    "text": _text,
    "call": _call,
    "foreign": _foreign,
}
