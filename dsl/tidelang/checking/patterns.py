"""Patterns for files, where they are known before the run."""

from __future__ import annotations

from tidelang.checking.constants import EvaluationError, Unknown
from tidelang.checking.context import UNKNOWN, Context
from tidelang.definition import Expr
from tidelang.diagnostics import Fix
from tidelang.globs import glob_problem
from tidelang.syntax import Expression
from tidelang.values import shown

_FIX = Fix('patterns are as in "src/**/*.py", "dist/*.whl" or "log[0-9].txt"')


def check_pattern(ctx: Context, node: Expression, expr: Expr) -> None:
    """Reports a pattern that can match no file, or none that may be taken."""
    if expr is UNKNOWN[1]:
        return
    try:
        pattern = ctx.constants.value(expr)
    except EvaluationError as error:
        ctx.report.add("T217", f"this pattern has no value: {error.message}", node.span)
        return
    if isinstance(pattern, Unknown) or not isinstance(pattern, str):
        return
    problem = glob_problem(pattern)
    if problem is not None:
        message = f"the pattern {shown(pattern)} {problem}"
        ctx.report.add("T333", message, node.span, "matches nothing", _FIX)
