"""What else a turn does where all runs of a database are driven: what starts runs, and what
keeps them back."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.engine.backfilling import Backfilling
from tidemill.engine.children import Children
from tidemill.engine.firing import Firing
from tidemill.engine.gate import Gate
from tidemill.engine.reacting import Reacting
from tidemill.model.messages import Nudge, Report
from tidemill.ports import Transaction


class AllRuns:
    """Works in one transaction, on the rows that `children` works on."""

    def __init__(self, tx: Transaction, children: Children) -> None:
        self._children = children
        self._firing = Firing(tx, children)
        self._reacting = Reacting(tx, children)
        self._backfilling = Backfilling(tx, children)
        progress = children.progress
        self._gate = Gate(tx, children.ledger, children.plans, progress.standing)

    def begin(self, reports: Sequence[Report], *, arrived: bool, timer_passed: bool) -> None:
        """Makes the runs that are due, and starts those that may. `arrived` says that there
        may be events that nobody has taken."""
        now = self._children.ledger.now
        if timer_passed:
            self._firing.fire(now)
        self._reacting.react(reports, arrived=arrived, timer_passed=timer_passed)
        self._backfilling.fill(now, timer=timer_passed)
        self._gate.pass_on(report.run for report in reports if isinstance(report, Nudge))

    def follow(self) -> None:
        """What follows from runs that have ended in this turn, and of those that steps were
        handed over to."""
        self._gate.note()
        self._reacting.follow_again()

    @property
    def more(self) -> bool:
        """Whether something is left for another turn at once."""
        parts = (self._firing.more, self._backfilling.more, self._gate.called, self._reacting.more)
        return any(parts)
