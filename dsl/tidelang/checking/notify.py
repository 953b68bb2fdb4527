"""`notify KIND { … }`: who is told of what."""

from __future__ import annotations

from tidelang import blocks
from tidelang.checking.bodies import Parts, setting
from tidelang.checking.context import Context, Place
from tidelang.checking.plugins import Family, Kinds, Plugins
from tidelang.definition import Notification
from tidelang.diagnostics import Fix
from tidelang.report import Report
from tidelang.syntax import Block

NOTIFY = Place("`notify`", run=True)


class Notifiers:
    """The notifiers of one compilation."""

    def __init__(self, report: Report, plugins: Plugins) -> None:
        self._kinds = Kinds(
            report,
            Family(
                block="notify",
                word="notifier",
                example="notify slack { … }",
                unknown="T503",
                kinds=plugins.notifier_kinds,
                settings=plugins.notifier_settings,
                origin=plugins.notifier_origin,
                problem=plugins.notifier_problem,
                templates=True,
            ),
        )

    def check(self, ctx: Context, block: Block) -> Notification | None:
        """One block; None where it names no kind."""
        ctx.place = NOTIFY
        kind = self._kinds.kind(block)
        if kind is None:
            return None
        chosen, parts = self._kinds.read(ctx, block, kind, blocks.NOTIFY)
        self._kinds.complete(ctx, chosen)
        return Notification(kind, _events(ctx, parts), tuple(sorted(chosen.settings.items())))


def _events(ctx: Context, parts: Parts) -> tuple[str, ...]:
    if "on" not in parts.attributes:
        return blocks.TOLD_BY_DEFAULT
    named = setting(ctx, parts, blocks.NOTIFY, "on")
    if named == []:
        span = parts.attributes["on"].value.span
        fix = Fix("name events, or take the block out")
        ctx.report.add("W601", "this tells nobody of anything", span, "no events", fix)
    words = {str(word) for word in named} if isinstance(named, list) else set()
    return tuple(event for event in blocks.EVENTS if event in words)
