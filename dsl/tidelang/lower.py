"""Lowering: checked pipelines become definitions.

Only called where nothing is wrong, so nothing is reported here. What the order of
attributes in the source could change is put into an order of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from tidelang import codec
from tidelang.checking.pipelines import Checked
from tidelang.checking.steps import Draft
from tidelang.checking.subruns import PipelineCall, in_order_of_calls
from tidelang.checking.units import Unit
from tidelang.definition import Action, Argv, Definition, Let, Step, Subrun
from tidelang.scope import Scope

_NOTHING = Argv((("lit", "true"),))


class Lowered:
    """The definitions of all pipelines of a compilation; `units` have each behind those
    that it imports. `called` has those that others run, by digest, each before its
    callers."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._made: dict[int, Definition] = {}
        self._digests: dict[int, str] = {}
        self.called: dict[str, Definition] = {}
        for unit in units:
            for checked in in_order_of_calls(unit):
                self._made[id(checked)] = _definition(checked, self._digest)

    def of(self, unit: Unit) -> tuple[Definition, ...]:
        """Those of one file, in its order."""
        return tuple(self._made[id(checked)] for checked in unit.pipelines.values())

    def _digest(self, checked: Checked) -> str:
        key = id(checked)
        if key not in self._digests:
            self._digests[key] = codec.digest(self._made[key])
            self.called[self._digests[key]] = self._made[key]
        return self._digests[key]


def _definition(checked: Checked, digest: Callable[[Checked], str]) -> Definition:
    unit = checked.unit
    position = {draft.name: at for at, draft in enumerate(checked.steps)}
    used = _reached(checked.scope, checked.used)
    ordered = [name for name in (*unit.lets, *checked.lets) if name in used]
    meanings = {**unit.values, **checked.values}
    return Definition(
        name=checked.name,
        description=checked.description,
        params=tuple(checked.params.values()),
        lets=tuple(Let(name, meanings[name]) for name in ordered),
        max_parallel=checked.max_parallel,
        schedules=checked.schedules,
        triggers=checked.triggers,
        notifications=checked.notifications,
        concurrency=checked.concurrency,
        deadline=checked.due.rule(),
        steps=tuple(_step(draft, position, digest) for draft in checked.steps),
    )


def _reached(scope: Scope, used: Iterable[str]) -> set[str]:
    """The lets that are used, and those that they use."""
    reached: set[str] = set()
    left = list(used)
    while left:
        name = left.pop()
        symbol = scope.find(name)
        if name not in reached and symbol is not None:
            reached.add(name)
            left.extend(symbol.lets)
    return reached


def _action(draft: Draft, digest: Callable[[Checked], str]) -> Action:
    if isinstance(draft.called, PipelineCall):
        callee = draft.called.callee
        return Subrun(callee.name, digest(callee), tuple(sorted(draft.called.arguments.items())))
    return draft.action or _NOTHING


def _step(draft: Draft, position: Mapping[str, int], digest: Callable[[Checked], str]) -> Step:
    settings, place = draft.settings, draft.settings.placement
    return Step(
        name=draft.name,
        action=_action(draft, digest),
        needs=tuple(sorted(draft.needs, key=position.__getitem__)),
        when=draft.when,
        when_decides=draft.when_decides,
        loop=draft.loop,
        max_parallel=draft.max_parallel,
        env=tuple(sorted(settings.env.items())),
        workdir=settings.workdir,
        outputs=draft.outputs,
        timeout=settings.timeout,
        retry=settings.retry_rule(),
        allow_failure=draft.allow_failure,
        idempotent=True if settings.idempotent is None else settings.idempotent,
        executor=settings.executor_rule(),
        description=draft.description,
        cache=settings.cache.rule() if settings.cache else None,
        priority=place.priority or "normal",
        pool=place.pool or "default",
        resources=tuple(sorted(place.resources.items())),
        labels=tuple(sorted(place.labels.items())),
        regions=place.regions,
        deadline=settings.due.rule(),
    )
