"""What every store has to do about triggers and what arrives for them."""

# ruff: noqa: S101 -- asserts are what tests are made of

from __future__ import annotations

from typing import Any

from tidemill.model.rows import PipelineRow
from tidemill.model.triggers import ArrivalRow, HeldRow, TriggerRow
from tidemill.ports import Transaction
from tidemill.testing.store_rows import AWKWARD, DirectStore

TRIGGER = TriggerRow(0, "p", "i1", "event", "git.push", 0, "d1")
ARRIVAL = ArrivalRow(0, "event", "git.push", None, AWKWARD, "emit", 5.0)


def arm(store: DirectStore, *rows: TriggerRow) -> None:
    def work(tx: Transaction) -> None:
        tx.add_definition("d1", "p", b"{}", 1.0)
        tx.save_pipeline(PipelineRow("p", "d1", "p.tide", 1.0, "anna"))
        for row in rows or (TRIGGER,):
            tx.add_trigger(row)

    store.transact_now(work)


class TriggersConformance:
    """A part of `tidemill.testing.store.StoreConformance`."""

    def test_a_trigger_is_found_by_what_it_listens_to(self, store: DirectStore) -> None:
        other = TRIGGER._replace(identity="i2", kind="pipeline", place=1)
        arm(store, TRIGGER, other)
        (found,) = store.transact_now(lambda tx: tx.armed({("event", "git.push"), ("event", "x")}))
        assert found == (TRIGGER._replace(number=1), "p.tide")
        (found,) = store.transact_now(lambda tx: tx.armed_by_number({2, 9}))
        assert found.row == other._replace(number=2)

    def test_what_becomes_of_a_trigger_is_written(self, store: DirectStore) -> None:
        arm(store)
        after = TRIGGER._replace(number=1, heard_at=2.0, fired_at=3.0, fired_run=4)
        after = after._replace(trouble="ü :x %s", trouble_at=5.0)
        store.transact_now(lambda tx: tx.note_triggers([after]))
        store.transact_now(lambda tx: tx.move_trigger(1, 7, "d2"))
        assert store.transact_now(lambda tx: tx.triggers_of("p")) == [
            after._replace(place=7, digest="d2")
        ]
        store.transact_now(lambda tx: tx.drop_trigger(1))
        assert store.transact_now(lambda tx: tx.triggers_of()) == []

    def test_what_arrives_is_taken_once_and_in_order(self, store: DirectStore) -> None:
        rows = [ARRIVAL._replace(payload={"n": n}) for n in range(3)]
        assert store.transact_now(lambda tx: tx.receive([ARRIVAL, *rows])) == [True] * 4
        first = store.transact_now(lambda tx: tx.take_arrivals(2))
        assert [row.payload for row in first] == [AWKWARD, {"n": 0}]
        rest = store.transact_now(lambda tx: tx.take_arrivals(9))
        assert [row.payload for row in rest] == [{"n": 1}, {"n": 2}]
        assert store.transact_now(lambda tx: tx.take_arrivals(9)) == []

    def test_the_same_key_is_not_received_twice_as_long_as_it_is_remembered(
        self, store: DirectStore
    ) -> None:
        row = ARRIVAL._replace(key="k")
        elsewhere = row._replace(kind="webhook")
        assert store.transact_now(lambda tx: tx.receive([row, row, elsewhere])) == [
            True,
            False,
            True,
        ]
        assert store.transact_now(lambda tx: tx.receive([row])) == [False]
        store.transact_now(lambda tx: tx.forget_arrivals(6.0, 9))
        assert store.transact_now(lambda tx: tx.receive([row])) == [False], "nobody has taken it"
        assert len(store.transact_now(lambda tx: tx.take_arrivals(9))) == 2
        store.transact_now(lambda tx: tx.forget_arrivals(6.0, 9))
        assert store.transact_now(lambda tx: tx.receive([row])) == [True]

    def test_what_is_held_is_a_timer_until_it_is_released(self, store: DirectStore) -> None:
        arm(store)
        row = HeldRow(1, "k", None, 8.0, 5.0, {"x": AWKWARD}, {"kind": "event"})
        store.transact_now(lambda tx: tx.hold([row, row._replace(key="l", due_at=9.0)]))
        assert store.transact_now(lambda tx: tx.next_due(1.0)) == 8.0
        assert store.transact_now(lambda tx: tx.due_held(8.5, 9)) == [row]
        released = HeldRow(1, "k", until=20.0)
        store.transact_now(lambda tx: tx.hold([released]))
        assert store.transact_now(lambda tx: tx.held({(1, "k"), (1, "m")})) == [released]
        assert store.transact_now(lambda tx: tx.next_due(1.0)) == 9.0
        store.transact_now(lambda tx: tx.forget_held(21.0, 9))
        left: list[Any] = store.transact_now(lambda tx: tx.held({(1, "k"), (1, "l")}))
        assert [held.key for held in left] == ["l"]
