"""What the operators do to values, once an expression is worked out.

The checker has refused what it could see to be wrong; here values of type `any` meet the
same rules. Types of operators belong to `tidelang.checking.operators`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from tidelang import bounds
from tidelang.bounds import EvaluationError
from tidelang.values import Duration, Secret, Size, Value

Operation = Callable[[Any, Any], Value]


def kind(value: Value) -> str:
    """What a value is, for messages: `a duration`."""
    return _KINDS.get(type(value), "a value")


_KINDS: dict[type, str] = {
    type(None): "null",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
    Duration: "a duration",
    Size: "a size",
    Secret: "a secret",
    list: "a list",
    dict: "a map",
}
_NUMBERS = (int, float)
_UNITS = (Duration, Size)


def _refused(verb: str, left: Value, right: Value) -> EvaluationError:
    return EvaluationError(f"cannot {verb} {kind(left)} and {kind(right)}")


def number(value: float) -> Value:
    """A result, if it is finite and fits 64 bits."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise EvaluationError("a number is too large")
        return value
    bounds.whole(int(value))
    return value


def add(left: Any, right: Any) -> Value:
    if type(left) in _NUMBERS and type(right) in _NUMBERS:
        return number(left + right)
    if isinstance(left, str) and isinstance(right, str):
        return bounds.text(left + right)
    if isinstance(left, list) and isinstance(right, list):
        bounds.items(len(left) + len(right))
        return left + right
    if type(left) in _UNITS and type(left) is type(right):
        return number(left + right)
    raise _refused("add", left, right)


def subtract(left: Any, right: Any) -> Value:
    if type(left) in _NUMBERS and type(right) in _NUMBERS:
        return number(left - right)
    if type(left) in _UNITS and type(left) is type(right):
        return number(left - right)
    raise _refused("subtract", left, right)


def multiply(left: Any, right: Any) -> Value:
    if type(left) in _NUMBERS and type(right) in _NUMBERS:
        return number(left * right)
    if type(left) in _UNITS and type(right) in _NUMBERS:
        return _with_unit(left, left * right)
    if type(right) in _UNITS and type(left) in _NUMBERS:
        return _with_unit(right, left * right)
    raise _refused("multiply", left, right)


def divide(left: Any, right: Any) -> Value:
    if type(right) not in _NUMBERS and type(left) is not type(right):
        raise _refused("divide", left, right)
    if type(left) not in _NUMBERS and type(left) not in _UNITS:
        raise _refused("divide", left, right)
    if right == 0:
        raise EvaluationError("division by zero")
    result = left / right
    if type(left) in _UNITS and type(right) in _NUMBERS:
        return _with_unit(left, result)
    return number(result)


def remainder(left: Any, right: Any) -> Value:
    if type(left) not in _NUMBERS or type(right) not in _NUMBERS:
        raise _refused("divide", left, right)
    if right == 0:
        raise EvaluationError("division by zero")
    return number(left % right)


def _with_unit(unit: Value, result: float) -> Value:
    number(float(result))
    count = bounds.whole(round(result))
    return Duration(count) if isinstance(unit, Duration) else Size(count)


def equal(left: Any, right: Any) -> bool:
    """`1` is not `true`, and a duration is not a number; nor are they within lists and
    maps, where Python would take them for equal."""
    if type(left) is not type(right) and not (type(left) in _NUMBERS and type(right) in _NUMBERS):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    return bool(left == right)


def _ordered(compare: Callable[[Any, Any], Any]) -> Operation:
    def run(left: Any, right: Any) -> Value:
        numbers = type(left) in _NUMBERS and type(right) in _NUMBERS
        same = type(left) is type(right) and type(left) in (str, Duration, Size)
        if not numbers and not same:
            raise _refused("compare", left, right)
        return bool(compare(left, right))

    return run


def contains(left: Any, right: Any) -> bool:
    """`left in right`"""
    if isinstance(right, list):
        return any(equal(left, item) for item in right)
    if isinstance(right, dict):
        return isinstance(left, str) and left in right
    if isinstance(right, str) and isinstance(left, str):
        return left in right
    raise EvaluationError(f"cannot look for {kind(left)} in {kind(right)}")


OPERATIONS: dict[str, Operation] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": remainder,
    "==": equal,
    "!=": lambda left, right: not equal(left, right),
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
    "in": contains,
    "not in": lambda left, right: not contains(left, right),
}


def negate(value: Any) -> Value:
    if type(value) in _NUMBERS or type(value) in _UNITS:
        negated: Value = -value
        return negated
    raise EvaluationError(f"cannot negate {kind(value)}")
