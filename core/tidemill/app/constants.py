"""Values of expressions that stand for themselves, as params are given."""

from __future__ import annotations

from tidelang.evaluate import EvaluationError, Scope, evaluate
from tidelang.values import Value


def constant(expr: tuple[object, ...]) -> Value:
    """The value of an expression that uses no names.

    Raises:
        ValueError: it has none.
    """
    try:
        return evaluate(expr, Scope())
    except EvaluationError as error:
        raise ValueError(str(error)) from None
