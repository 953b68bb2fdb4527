"""Lowering: checked pipelines become definitions.

Only called where nothing is wrong, so nothing is reported here. What the order of
attributes in the source could change is put into an order of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tidelang.checking.pipelines import Checked
from tidelang.checking.steps import Draft
from tidelang.definition import Argv, Definition, Expr, Let, Step
from tidelang.scope import Scope

_NOTHING = Argv((("lit", "true"),))


def lower(checked: Checked, file_lets: Iterable[str], values: Mapping[str, Expr]) -> Definition:
    """The definition of a pipeline. `file_lets` and `values` are those of its file."""
    position = {draft.name: at for at, draft in enumerate(checked.steps)}
    used = _reached(checked.scope, checked.used)
    ordered = [name for name in (*file_lets, *checked.lets) if name in used]
    meanings = {**values, **checked.values}
    return Definition(
        name=checked.name,
        description=checked.description,
        params=tuple(checked.params.values()),
        lets=tuple(Let(name, meanings[name]) for name in ordered),
        max_parallel=checked.max_parallel,
        schedules=checked.schedules,
        notifications=checked.notifications,
        steps=tuple(_step(draft, position) for draft in checked.steps),
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


def _step(draft: Draft, position: Mapping[str, int]) -> Step:
    settings = draft.settings
    return Step(
        name=draft.name,
        action=draft.action or _NOTHING,
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
    )
