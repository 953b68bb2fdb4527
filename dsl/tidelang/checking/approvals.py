"""`approve { … }`: a step that waits for a person, and what such a step cannot have."""

from __future__ import annotations

from tidelang import blocks
from tidelang.checking.bodies import Parts, no_labels, setting, sorted_body, value
from tidelang.checking.context import Context
from tidelang.definition import Approval, Expr
from tidelang.diagnostics import Fix, Related
from tidelang.source import Span
from tidelang.suggest import listed
from tidelang.syntax import Block, ListExpression, Output
from tidelang.values import Duration, shown

_TAKEN = (*blocks.APPROVAL_STEP, "approve")


def approval(ctx: Context, step: str, parts: Parts, block: Block) -> Approval:
    """What an `approve` block says, in a step with these parts."""
    no_labels(ctx.report, block)
    _nothing_else(ctx, step, parts, block)
    inside = sorted_body(ctx.report, block.body, blocks.APPROVE)
    timeout = setting(ctx, inside, blocks.APPROVE, "timeout")
    prompt = value(ctx, inside, blocks.APPROVE, "prompt") if "prompt" in inside.attributes else None
    return Approval(
        prompt=prompt or _asking(step),
        by=_people(ctx, inside),
        timeout=int(timeout) if isinstance(timeout, Duration) else None,
    )


def _asking(step: str) -> Expr:
    """`Approve "ship" of release, run 12?`"""
    return (
        "text",
        (
            ("lit", f'Approve "{step}" of '),
            ("ref", "run", "pipeline"),
            ("lit", ", run "),
            ("ref", "run", "number"),
            ("lit", "?"),
        ),
    )


# --- who -------------------------------------------------------------------------------


def _people(ctx: Context, parts: Parts) -> tuple[str, ...]:
    before = ctx.report.count
    names = setting(ctx, parts, blocks.APPROVE, "by")
    if not isinstance(names, list) or ctx.report.count != before:
        return ()
    node = parts.attributes["by"].value
    if not names:
        fix = Fix("name somebody, or take `by` out to let anybody approve")
        ctx.report.add("T332", "`by` names nobody", node.span, "empty", fix)
    spans = [node.span] * len(names)
    if isinstance(node, ListExpression) and len(node.items) == len(names):
        spans = [item.span for item in node.items]
    seen: dict[str, Span] = {}
    for name, span in zip(map(str, names), spans, strict=True):
        _person(ctx, name, span, seen)
    return tuple(seen)


def _person(ctx: Context, name: str, span: Span, seen: dict[str, Span]) -> None:
    if not name.strip():
        fix = Fix("write the name of a user or of a group")
        ctx.report.add("T332", "a name in `by` is empty", span, "nobody is called so", fix)
    elif name in seen:
        related = (Related(seen[name], "first named here"),) if seen[name] != span else ()
        message = f"`by` names {shown(name)} twice"
        ctx.report.add("T332", message, span, "again", Fix("take it out"), related)
    seen.setdefault(name, span)


# --- what else stands in the step ---------------------------------------------------------


def _nothing_else(ctx: Context, step: str, parts: Parts, block: Block) -> None:
    related = Related(block.kind_span, "the approval")
    if (run := parts.attributes.get("run")) is not None:
        message = f"step `{step}` has both `run` and `approve`"
        fix = Fix("make two steps of it: one that approves, and one that needs it and runs")
        ctx.report.add("T331", message, run.name_span, "a step is one of the two", fix, (related,))
        return
    nothing_to_run(ctx, parts, related)


def nothing_to_run(ctx: Context, parts: Parts, approval: Related) -> None:
    """Refuses what is about running something, in the body of a step that approves."""
    for name, span in _given(parts):
        if name in _TAKEN:
            continue
        message = f"`{name}` means nothing in a step that waits for an approval"
        ctx.report.add("T330", message, span, "nothing is run here", _way_out(name), (approval,))


def _given(parts: Parts) -> list[tuple[str, Span]]:
    given = [(name, item.name_span) for name, item in parts.attributes.items()]
    given += [(name, found[0].kind_span) for name, found in parts.blocks.items()]
    given += [
        ("output", Span(item.span.source, item.span.start, item.span.start + len("output")))
        for item in parts.declarations
        if isinstance(item, Output)
    ]
    return sorted(given, key=lambda found: found[1].start)


def _way_out(name: str) -> Fix:
    if name in blocks.APPROVE.fields:
        return Fix(f"move it into the block: `approve {{ {name} = … }}`")
    if name in ("deadline", "on_deadline"):
        return Fix("say how long to wait in the block: `approve { timeout = 4h }`")
    return Fix(f"put it into a step that runs; this one takes {listed(blocks.APPROVAL_STEP)}")
