"""`executor KIND { … }`: which plugin runs a step, and its settings."""

from __future__ import annotations

from copy import copy

from tidelang.checking.context import Context
from tidelang.checking.plugins import Chosen, Family, Kinds, Plugins
from tidelang.report import Report
from tidelang.syntax import Block


class Executors:
    """The executors of one compilation."""

    def __init__(self, report: Report, plugins: Plugins) -> None:
        self._kinds = Kinds(
            report,
            Family(
                block="executor",
                word="executor",
                example="executor local { … }",
                unknown="T501",
                kinds=plugins.executor_kinds,
                settings=plugins.executor_settings,
                origin=plugins.executor_origin,
                problem=plugins.problem,
            ),
        )

    def reporting(self, report: Report) -> Executors:
        """The same, with another place to put what is found."""
        other = copy(self)
        other._kinds = self._kinds.reporting(report)  # noqa: SLF001  its own kind
        return other

    def choose(self, ctx: Context, block: Block | None) -> Chosen | None:
        """What an `executor` block says; None where it says nothing sensible."""
        kind = self._kinds.kind(block) if block else None
        return self._kinds.read(ctx, block, kind)[0] if block and kind else None

    def complete(self, ctx: Context, chosen: Chosen) -> None:
        """Reports what is wrong with all settings together."""
        self._kinds.complete(ctx, chosen)
