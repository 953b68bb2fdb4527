"""Which tasks of a plan take part in a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches

from tidemill.errors import UsageError
from tidemill.model.plan import Plan, PlannedStep
from tidemill.model.requests import Selection


def select(plan: Plan, selection: Selection) -> frozenset[int]:
    """The ordinals that take part.

    Raises:
        UsageError: a name is unknown, or the options contradict each other.
    """
    if selection.only and (selection.start or selection.until):
        raise UsageError(
            "--only takes exactly the steps it names",
            "leave out --from and --until, or use them without --only",
        )
    chosen = frozenset(range(plan.size))
    if selection.only:
        chosen &= _named(plan, selection.only)
    if selection.start:
        chosen &= _closure(plan, _named(plan, selection.start), lambda step: step.dependents)
    if selection.until:
        chosen &= _closure(plan, _named(plan, selection.until), lambda step: step.needs)
    if not chosen:
        raise UsageError("no step lies in what --from and --until ask for")
    return chosen


def _named(plan: Plan, names: Iterable[str]) -> frozenset[int]:
    """The tasks that steps' names and tasks' keys stand for."""
    by_name: dict[str, list[int]] = {}
    for step, instance in plan.instances():
        by_name.setdefault(step.step.name, []).append(instance.ordinal)
        by_name[instance.key] = by_name.get(instance.key, [])
        if instance.key != step.step.name:
            by_name[instance.key].append(instance.ordinal)
    found: list[int] = []
    for name in names:
        if name not in by_name:
            raise UsageError(f"there is no step {name!r} in this pipeline", _near(name, by_name))
        found.extend(by_name[name])
    return frozenset(found)


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    listed = list(known)
    more = f" and {len(listed) - 12} more" if len(listed) > 12 else ""
    return f"it has {', '.join(listed[:12])}{more}"


def _closure(
    plan: Plan, start: frozenset[int], neighbours: Callable[[PlannedStep], tuple[int, ...]]
) -> frozenset[int]:
    """The tasks, and all those of every step that can be reached from theirs."""
    reached: set[int] = set()
    waiting = [index for ordinal in start for index in neighbours(plan.step_of(ordinal))]
    while waiting:
        index = waiting.pop()
        if index not in reached:
            reached.add(index)
            waiting.extend(neighbours(plan.steps[index]))
    further = (instance.ordinal for index in reached for instance in plan.steps[index].instances)
    return start | frozenset(further)


def outputs_wanted(plan: Plan, chosen: frozenset[int]) -> dict[int, set[str]]:
    """The tasks that do not take part but whose outputs are read by some that do, and
    the names of the steps that read them."""
    wanted: dict[int, set[str]] = {}
    for step, instance in plan.instances():
        if instance.ordinal not in chosen:
            continue
        for index in step.reads:
            for upstream in plan.steps[index].instances:
                if upstream.ordinal not in chosen:
                    wanted.setdefault(upstream.ordinal, set()).add(step.step.name)
    return wanted
