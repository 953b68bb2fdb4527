"""Which tasks of a plan take part in a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from tidemill.errors import UsageError
from tidemill.model.fan_out import is_key_of
from tidemill.model.plan import Plan, PlannedStep
from tidemill.model.requests import Selection


@dataclass(frozen=True, slots=True)
class Chosen:
    """Tasks. Of a fan-out whose list is not known yet, its stand-in is one of them; where
    not all that it stands for is meant, `picked` has the keys that are."""

    ordinals: frozenset[int]
    picked: Mapping[int, frozenset[str]] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(sorted(key for keys in self.picked.values() for key in keys))

    def __or__(self, other: Chosen) -> Chosen:
        picked: dict[int, frozenset[str]] = {}
        for ordinal in self.picked.keys() | other.picked.keys():
            sides = [side for side in (self, other) if ordinal in side.ordinals]
            if all(ordinal in side.picked for side in sides):  # neither means all of it
                picked[ordinal] = frozenset().union(*(side.picked[ordinal] for side in sides))
        return Chosen(self.ordinals | other.ordinals, picked)

    def __and__(self, other: Chosen) -> Chosen:
        ordinals = self.ordinals & other.ordinals
        picked: dict[int, frozenset[str]] = {}
        for ordinal in ordinals & (self.picked.keys() | other.picked.keys()):
            sides = [side.picked[ordinal] for side in (self, other) if ordinal in side.picked]
            picked[ordinal] = frozenset.intersection(*sides)
        empty = {ordinal for ordinal, keys in picked.items() if not keys}
        return Chosen(ordinals - empty, {o: keys for o, keys in picked.items() if keys})


def select(plan: Plan, selection: Selection) -> Chosen:
    """What takes part.

    Raises:
        UsageError: a name is unknown, or the options contradict each other.
    """
    if selection.only and (selection.start or selection.until):
        raise UsageError(
            "--only takes exactly the steps it names",
            "leave out --from and --until, or use them without --only",
        )
    chosen = Chosen(frozenset(range(plan.size)))
    if selection.only:
        chosen &= _named(plan, selection.only)
    if selection.start:
        chosen &= _closure(plan, _named(plan, selection.start), lambda step: step.dependents)
    if selection.until:
        chosen &= _closure(plan, _named(plan, selection.until), lambda step: step.needs)
    if not chosen.ordinals:
        raise UsageError("no step lies in what --from and --until ask for")
    _check_picked(plan, chosen)
    return chosen


def _named(plan: Plan, names: Iterable[str]) -> Chosen:
    """The tasks that steps' names and tasks' keys stand for."""
    by_name: dict[str, list[int]] = {}
    for step in plan.steps:
        by_name.setdefault(step.step.name, []).extend(i.ordinal for i in step.rows)
        for instance in step.rows:
            by_name.setdefault(instance.key, [instance.ordinal])
    chosen = Chosen(frozenset())
    for name in names:
        if name in by_name:
            chosen |= Chosen(frozenset(by_name[name]))
        elif fan_out := next((s for s in plan.steps if _may_have(s, name)), None):
            ordinal = fan_out.counted[0].ordinal
            chosen |= Chosen(frozenset({ordinal}), {ordinal: frozenset({name})})
        else:
            raise UsageError(f"there is no step {name!r} in this pipeline", _near(name, by_name))
    return chosen


def _may_have(step: PlannedStep, key: str) -> bool:
    """Whether its list, not known yet, may give a task of this key."""
    return step.unknown and is_key_of(key, step.step.name)


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    listed = list(known)
    more = f" and {len(listed) - 12} more" if len(listed) > 12 else ""
    return f"it has {', '.join(listed[:12])}{more}"


def _closure(
    plan: Plan, start: Chosen, neighbours: Callable[[PlannedStep], tuple[int, ...]]
) -> Chosen:
    """The tasks, and all those of every step that can be reached from theirs."""
    reached: set[int] = set()
    waiting = [index for o in start.ordinals for index in neighbours(plan.step_of(o))]
    while waiting:
        index = waiting.pop()
        if index not in reached:
            reached.add(index)
            waiting.extend(neighbours(plan.steps[index]))
    further = (instance.ordinal for index in reached for instance in plan.steps[index].rows)
    return start | Chosen(frozenset(further))


def _check_picked(plan: Plan, chosen: Chosen) -> None:
    """Some tasks of a list that is not known yet can be chosen, but then nothing that
    wants the outputs of all of them."""
    picked = {plan.by_task[ordinal]: keys for ordinal, keys in chosen.picked.items()}
    for ordinal in sorted(chosen.ordinals):
        step = plan.step_of(ordinal)
        for index in (*step.reads, *step.draws):
            if index in picked:
                of, keys = plan.steps[index].step.name, ", ".join(sorted(picked[index]))
                raise UsageError(
                    f"step {step.step.name} uses the outputs of all of {of},"
                    f" of which only {keys} is selected",
                    f"select {of}, or leave out {step.step.name}",
                )


def outputs_wanted(plan: Plan, chosen: frozenset[int]) -> dict[int, set[str]]:
    """The tasks that do not take part but whose outputs are read by some that do, and
    the names of the steps that read them."""
    wanted: dict[int, set[str]] = {}
    for step in plan.steps:
        if not any(instance.ordinal in chosen for instance in step.counted):
            continue
        for index in (*step.reads, *step.draws):
            for upstream in plan.steps[index].counted:
                if upstream.ordinal not in chosen:
                    wanted.setdefault(upstream.ordinal, set()).add(step.step.name)
    return wanted
