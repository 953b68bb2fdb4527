"""What triggers do in a scheduler's turn: see `tidemill.engine.triggering`."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.engine.children import Children
from tidemill.engine.create import Made
from tidemill.engine.triggering import Triggering
from tidemill.model.messages import Arrived, Report
from tidemill.model.triggers import ArrivalRow
from tidemill.ports import Transaction


class Reacting:
    """A turn in which nothing has arrived, nothing waited and no run ended costs nothing."""

    def __init__(self, tx: Transaction, children: Children) -> None:
        self._tx = tx
        self._children = children
        now, standing = children.ledger.now, children.progress.standing
        self._triggering = Triggering(tx, children.plans, now, self._made, standing)
        self._late = False
        self.more = False
        """Whether something may be left to be done at once."""

    def react(self, reports: Sequence[Report], *, arrived: bool, timer_passed: bool) -> None:
        """`arrived` says that something may have been stored that nobody has taken."""
        sent = [
            ArrivalRow(0, "event", r.subject, r.key, r.payload, "nats", r.at)
            for r in reports
            if isinstance(r, Arrived)
        ]
        if sent:
            self._tx.receive(sent)
        if sent or arrived:
            self.more |= self._triggering.take()
        if timer_passed:
            self.more |= self._triggering.release()
        self._follow()

    def follow_again(self) -> None:
        """What has ended since starts runs of which nothing is offered in this turn, and that
        have to be looked at in another one."""
        self._late = True
        self.more |= self._follow()

    def _follow(self) -> bool:
        changed = self._children.ledger.changed_runs
        ended = [run for run in changed.values() if run.state.ended]
        return self._triggering.follow(ended) if ended else False

    def _made(self, made: Made) -> None:
        self._children.ledger.add_made(made.run, made.tasks)
        if self._late:
            self._tx.signal(made.run.number)
