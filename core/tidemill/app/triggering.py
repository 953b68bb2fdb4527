"""Triggers of pipelines that were applied: storing them, what they hear, sending events."""

from __future__ import annotations

from tidelang.definition import Definition
from tidemill.engine.plans import Plans
from tidemill.engine.triggering import Triggering
from tidemill.model.rows import RunRow
from tidemill.model.triggers import ArrivalRow, TriggerRow, identities
from tidemill.ports import Transaction


def apply_triggers(tx: Transaction, definition: Definition, digest: str) -> None:
    """Makes a definition's triggers those of its pipeline. One that is there keeps what is
    known of it."""
    wanted = {identity: place for place, identity in enumerate(identities(definition))}
    for row in tx.triggers_of(definition.name):
        if row.identity in wanted:
            tx.move_trigger(row.number, wanted.pop(row.identity), digest)
        else:
            tx.drop_trigger(row.number)
    for identity, place in wanted.items():
        trigger = definition.triggers[place]
        name = definition.name
        tx.add_trigger(TriggerRow(0, name, identity, trigger.kind, trigger.source, place, digest))


def follow_at_once(tx: Transaction, run: RunRow, now: float) -> None:
    """Starts what the end of a run starts that ended when it was made: no scheduler ends it."""
    if run.state.ended:
        Triggering(tx, Plans(), now, lambda made: tx.signal(made.run.number)).follow([run])


def store_arrival(tx: Transaction, row: ArrivalRow) -> bool:
    """Stores what has arrived, for any scheduler to look at; whether it is new."""
    (new,) = tx.receive([row])
    if new:
        tx.signal(0)  # in case that no nudge comes through
    return new
