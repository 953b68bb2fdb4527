"""Steps that no run will ever come to: their `when` is always false, or what they need
never runs. One warning for each cause, since one change mends it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidelang.checking.constants import Constants
from tidelang.checking.context import Context
from tidelang.checking.steps import Draft
from tidelang.definition import Expr
from tidelang.diagnostics import Fix, Related
from tidelang.evaluate import EvaluationError
from tidelang.graph import Walk
from tidelang.suggest import listed

_OF_SKIPPED = {"succeeded": False, "failed": False, "skipped": True, "done": True}
"""The answers of `when`'s questions about a step that is always skipped."""


@dataclass(slots=True)
class _Cause:
    """A step that never runs, and where those that therefore do not either need it."""

    draft: Draft
    dragged: dict[str, Related] = field(default_factory=dict)


def warn_of_unreachable(ctx: Context, drafts: list[Draft]) -> None:
    """Looks at steps that are without errors."""
    known = {draft.name: draft for draft in drafts}
    never: dict[str, _Cause] = {}
    for name in Walk({draft.name: draft.needs for draft in drafts}).order:
        draft = known[name]
        needed = next((need for need in draft.needs if need in never), None)
        if _is_false(ctx.constants, draft.when, {}):
            never[name] = _Cause(draft)
        elif needed is not None and (
            not draft.when_decides or _is_false(ctx.constants, draft.when, never)
        ):
            never[name] = never[needed]
            place = Related(draft.needs[needed], f"`{name}` needs `{needed}`")
            never[name].dragged[name] = place
    for name, cause in never.items():
        if name == cause.draft.name:
            _warn(ctx, cause)


def _warn(ctx: Context, cause: _Cause) -> None:
    draft = cause.draft
    attribute = draft.parts.attributes.get("when")
    own = attribute is not None and draft.node.call is None  # else its task may say so
    span = attribute.value.span if attribute and own else draft.node.name.span
    if not cause.dragged:
        message = f"step `{draft.name}` never runs: its `when` is always false"
        ctx.report.add("W304", message, span, "always false")
        return
    related = tuple(cause.dragged.values())[:8]
    message = (
        f"step `{draft.name}` never runs, and so neither does what needs it: "
        f"{listed(cause.dragged, 5)}"
    )
    fix = Fix(f"to have one run all the same, let its `when` ask: `done({draft.name})`")
    ctx.report.add("W305", message, span, "always false", fix, related)


# --- conditions --------------------------------------------------------------------------


def _is_false(constants: Constants, when: Expr | None, never: dict[str, _Cause]) -> bool:
    return when is not None and _decided(constants, when, never) is False


def _decided(constants: Constants, expr: Expr, never: dict[str, _Cause]) -> bool | None:
    """What a condition comes to in every run; None where runs may differ."""
    match expr:
        case ("state", question, step):
            return _OF_SKIPPED[question] if step in never else None
        case ("not", inner):
            found = _decided(constants, inner, never)
            return None if found is None else not found
        case ("op", "and" | "or" as word, left, right):
            both = {_decided(constants, side, never) for side in (left, right)}
            enough = word == "or"
            return enough if enough in both else None if None in both else not enough
    try:
        value = constants.value(expr)
    except EvaluationError:
        return None
    return value if isinstance(value, bool) else None
