"""Steps that run another pipeline, with arguments for its params."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from tidelang import blocks
from tidelang.checking.arguments import bound, given
from tidelang.checking.lets import drawn
from tidelang.definition import Expr, Type
from tidelang.diagnostics import Fix, Related
from tidelang.graph import Walk
from tidelang.schema import Schema
from tidelang.source import Span

if TYPE_CHECKING:
    from tidelang.checking.context import Context
    from tidelang.checking.executors import Executors
    from tidelang.checking.pipelines import Checked
    from tidelang.checking.steps import Draft
    from tidelang.checking.units import Unit
    from tidelang.syntax import Call


@dataclass(slots=True)
class PipelineCall:
    """A step's call of a pipeline (see `steps.Called`). `arguments` are known once the
    step was checked."""

    callee: Checked
    node: Call
    schema: Schema = blocks.PIPELINE_CALL
    outputs: dict[str, Type] = field(default_factory=dict)
    arguments: dict[str, Expr] = field(default_factory=dict)

    def check(self, ctx: Context, draft: Draft, executors: Executors) -> None:
        """Works out the arguments; a pipeline has no body to lay under a step."""
        del executors
        what = f"pipeline `{self.callee.name}`"
        arguments = bound(ctx, self.node, self.callee.params, what)
        if arguments is not None:
            self.arguments = {
                name: given(ctx, argument, self.callee.params[name], what)
                for name, argument in arguments.items()
            }
        draft.subrun = True


def no_circles(unit: Unit) -> None:
    """Tells of pipelines that run themselves, over others or not. Only those of one file
    can: imports make no circle."""
    calls = {name: _calls(checked) for name, checked in unit.pipelines.items()}
    for cycle in Walk(calls).cycles:
        _circle(unit, cycle, calls)


def in_order_of_calls(unit: Unit) -> list[Checked]:
    """The pipelines of a file, each behind those that it runs."""
    calls = {name: _calls(checked) for name, checked in unit.pipelines.items()}
    return [unit.pipelines[name] for name in Walk(calls).order]


def _calls(checked: Checked) -> dict[str, Span]:
    """The pipelines of the same file that one runs, and where."""
    found: dict[str, Span] = {}
    for draft in checked.steps:
        called = draft.called
        if isinstance(called, PipelineCall) and called.callee.unit is checked.unit:
            found.setdefault(called.callee.name, called.node.span)
    return found


def _circle(unit: Unit, cycle: tuple[str, ...], calls: Mapping[str, Mapping[str, Span]]) -> None:
    places = [calls[a][b] for a, b in pairwise(cycle)]
    related = tuple(
        Related(span, f"`{name}` runs `{after}`")
        for span, (name, after) in zip(places[1:8], pairwise(cycle[1:]), strict=False)
    )
    message = f"these pipelines run each other: {drawn(cycle)}"
    if len(cycle) == 2:
        message = f"pipeline `{cycle[0]}` runs itself"
    fix = Fix("a run would never end: take one of these steps out")
    unit.report.add("T313", message, places[0], f"`{cycle[0]}` runs `{cycle[1]}`", fix, related)
