"""What every store has to do with alarms: part of the suite of stores."""

# ruff: noqa: S101 -- asserts are what tests are made of

from __future__ import annotations

from typing import Any

from tidemill.model.rows import WHOLE, AlarmRow, TaskRef
from tidemill.model.states import TaskState
from tidemill.testing.store_rows import DirectStore, fill, task

ALARM = AlarmRow(1, WHOLE, "missed", 9.0, pooled=True)


def set_alarms(store: DirectStore, *changes: dict[str, Any]) -> list[AlarmRow]:
    rows = [ALARM._replace(**each) for each in changes]
    store.transact_now(lambda tx: tx.set_alarms(rows))
    return rows


def due(store: DirectStore, now: float, limit: int = 9) -> list[AlarmRow]:
    return store.transact_now(lambda tx: tx.due_alarms(now, limit))


class AlarmsConformance:
    def test_alarms_ring_in_the_order_of_their_moments(self, store: DirectStore) -> None:
        fill(store, [task(0)])
        first, second, later = set_alarms(
            store, {}, {"ordinal": 0, "at": 5.0}, {"kind": "at_risk", "at": 99.0}
        )
        assert due(store, 4.9) == []
        assert due(store, 9.0) == [second, first]
        assert due(store, 9.0, limit=1) == [second]
        assert store.transact_now(lambda tx: tx.alarms_of([1])) != []
        assert due(store, 99.0) == [second, first, later]

    def test_an_alarm_that_is_set_again_is_moved(self, store: DirectStore) -> None:
        fill(store, [])
        set_alarms(store, {})
        (moved,) = set_alarms(store, {"at": 20.0})
        assert due(store, 19.0) == []
        assert due(store, 20.0) == [moved]

    def test_what_is_dropped_does_not_ring_and_the_rest_does(self, store: DirectStore) -> None:
        fill(store, [])
        first, second = set_alarms(store, {}, {"kind": "at_risk"})
        gone = first._replace(run=7)
        store.transact_now(lambda tx: tx.drop_alarms([first, gone]))
        assert due(store, 9.0) == [second]

    def test_only_the_driver_of_a_run_hears_the_alarms_of_it_alone(
        self, store: DirectStore
    ) -> None:
        fill(store, [])
        (row,) = set_alarms(store, {"pooled": False})
        assert due(store, 9.0) == []
        assert store.transact_now(lambda tx: tx.next_due(1.0)) is None
        assert store.transact_now(lambda tx: tx.alarms_of([1])) == [row]

    def test_the_alarms_of_tasks_are_found(self, store: DirectStore) -> None:
        fill(store, [task(0), task(1)])
        first, _, whole = set_alarms(store, {"ordinal": 0}, {"ordinal": 1}, {})
        found = store.transact_now(lambda tx: tx.alarms([TaskRef(1, 0), TaskRef(1, WHOLE)]))
        assert sorted(found) == [whole, first]

    def test_the_first_alarm_is_a_timer(self, store: DirectStore) -> None:
        fill(store, [])
        set_alarms(store, {"at": 30.0}, {"at": 8.0, "kind": "at_risk"})
        assert store.transact_now(lambda tx: tx.next_due(1.0)) == 8.0
        assert store.transact_now(lambda tx: tx.next_due(9.0)) == 8.0, "others have it in hand"

    def test_tasks_of_a_raised_run_move_up_that_stand_in_line_and_can_go_higher(
        self, store: DirectStore
    ) -> None:
        tasks = [
            task(0, place=700.0, priority=2),
            task(1, TaskState.BLOCKED, place=700.0, priority=2),
            task(2, place=700.0, priority=1),
            task(3, TaskState.SUCCEEDED, place=700.0, priority=2),
            task(4, TaskState.QUEUED, place=700.0, priority=4),
        ]
        fill(store, tasks)
        store.transact_now(lambda tx: tx.move_up({1: 1, 99: 0}, 600.0))
        found = store.transact_now(lambda tx: tx.all_tasks(1))
        assert [row.place for row in found] == [100.0, 700.0, 700.0, 700.0, 100.0]
