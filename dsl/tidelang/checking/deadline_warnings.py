"""Deadlines that mean nothing, or that come too late to matter."""

from __future__ import annotations

from tidelang.checking.context import Context
from tidelang.checking.deadlines import Due
from tidelang.checking.steps import Draft
from tidelang.diagnostics import Fix, Related
from tidelang.values import Duration


def warn_of_deadlines(ctx: Context, whole: Due, drafts: list[Draft]) -> None:
    """Looks at the deadlines of a pipeline and of its steps, whose settings are complete."""
    _alone(ctx, whole, "a pipeline")
    for draft in drafts:
        due = draft.settings.due
        if "on_deadline" in draft.parts.attributes:
            _alone(ctx, due, "a step")
        _too_late(ctx, draft, whole)
        _too_long(ctx, draft, due if due.after is not None else whole)


def _alone(ctx: Context, due: Due, what: str) -> None:
    if due.action_span is not None and due.after is None and due.span is None:
        fix = Fix("add `deadline = 45m`, or take it out")
        message = f"`on_deadline` does nothing in {what} without `deadline`"
        ctx.report.add("W309", message, due.action_span, "there is no deadline", fix)


def _too_late(ctx: Context, draft: Draft, whole: Due) -> None:
    due = draft.settings.due
    if due.after is None or whole.after is None or due.span is None or whole.span is None:
        return
    if "deadline" in draft.parts.attributes and due.after > whole.after:
        message = f"the deadline of step `{draft.name}` comes behind that of its pipeline"
        fix = Fix(f"the pipeline is to have ended after {whole.after}: make it shorter")
        related = (Related(whole.span, "the pipeline's"),)
        ctx.report.add("W310", message, due.span, "too late to matter", fix, related)


def _too_long(ctx: Context, draft: Draft, due: Due) -> None:
    """An attempt that may take longer than there is time."""
    attribute, timeout = draft.parts.attributes.get("timeout"), draft.settings.timeout
    if attribute is None or timeout is None or due.after is None or due.span is None:
        return
    if timeout > due.after:
        message = f"one attempt of step `{draft.name}` may take longer than its deadline allows"
        fix = Fix(f"a `timeout` of at most {due.after} keeps it")
        related = (Related(due.span, "the deadline"),)
        label = f"{Duration(timeout)} is more than {due.after}"
        ctx.report.add("W311", message, attribute.value.span, label, fix, related)
