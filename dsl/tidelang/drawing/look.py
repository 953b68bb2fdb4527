"""From a definition to what is drawn of it."""

from __future__ import annotations

from tidelang.definition import Approval, Definition, Expr, Loop, Step, Subrun
from tidelang.drawing.details import details
from tidelang.drawing.model import Drawing, Edge, Kind, Node
from tidelang.drawing.reduce import implied
from tidelang.drawing.uses import used_steps
from tidelang.evaluate import EvaluationError, Scope, evaluate
from tidelang.graph import Walk


def look(definition: Definition) -> Drawing:
    """The drawing of a pipeline."""
    steps = _in_order(definition.steps)
    place = {step.name: at for at, step in enumerate(steps)}
    needs = [sorted({place[name] for name in step.needs}) for step in steps]
    lets = _constants(definition)
    return Drawing(
        definition.name,
        definition.description,
        tuple(_node(step, lets) for step in steps),
        tuple(_edges(steps, needs)),
    )


def _in_order(steps: tuple[Step, ...]) -> list[Step]:
    """Behind what they need, else as in the file."""
    by_name = {step.name: step for step in steps}
    return [by_name[name] for name in Walk({step.name: step.needs for step in steps}).order]


def _edges(steps: list[Step], needs: list[list[int]]) -> list[Edge]:
    edges = []
    for target, left_out in enumerate(implied(needs)):
        used = used_steps(steps[target])
        edges += [
            Edge(source, target, steps[source].name in used)
            for source in needs[target]
            if source not in left_out
        ]
    return sorted(edges, key=lambda edge: (edge.source, edge.target))


def _node(step: Step, lets: Scope) -> Node:
    fan = _fan(step.loop, lets) if step.loop else ""
    return Node(
        step.name,
        _kind(step),
        fan,
        step.when is not None,
        tuple(_badges(step)),
        tuple(details(step, fan)),
    )


def _kind(step: Step) -> Kind:
    if isinstance(step.action, Approval):
        return Kind.APPROVAL
    return Kind.SUBRUN if isinstance(step.action, Subrun) else Kind.COMMAND


def _badges(step: Step) -> list[str]:
    """What changes how a step goes, in a word or two each."""
    said = []
    if isinstance(step.action, Subrun):
        said.append(f"runs {step.action.pipeline}")
    if isinstance(step.action, Approval):
        said.append("approval")
    if step.executor.kind != "local":
        said.append(step.executor.kind)
    if step.retry.attempts > 1:
        said.append(f"{step.retry.attempts} attempts")
    if step.cache is not None:
        said.append("cached")
    if step.allow_failure:
        said.append("may fail")
    return said


def _fan(loop: Loop, lets: Scope) -> str:
    """`×3` where the list is a constant; else what it goes through."""
    items = _constant(loop.items, lets)
    if isinstance(items, list | dict):
        return f"×{len(items)}"
    return f"for {', '.join(loop.names)} in …"


def _constants(definition: Definition) -> Scope:
    """The lets that depend on no param."""
    known: dict[str, object] = {}
    scope = Scope({"let": known})
    for let in definition.lets:
        value = _constant(let.value, scope)
        if value is not _UNKNOWN:
            known[let.name] = value
    return scope


_UNKNOWN = object()


def _constant(expr: Expr, scope: Scope) -> object:
    try:
        return evaluate(expr, scope)
    except EvaluationError:
        return _UNKNOWN
