"""What every store has to do with observers of events: part of the suite of stores."""

# ruff: noqa: S101 -- asserts are what tests are made of

from __future__ import annotations

from typing import Any

from tidemill.model.rows import EventRow, ObserverRow
from tidemill.spi import Event
from tidemill.testing.purging import condemn, ended, make
from tidemill.testing.store_rows import DirectStore, fill, task

ODD = "it's %s :x \N{SNOWMAN} \"\\"


def record(store: DirectStore, *states: str, run: int = 1, ordinal: int | None = 0) -> None:
    kind = "run" if ordinal is None else "task"
    rows = [EventRow(5.0, kind, run, ordinal, {"state": state}) for state in states]
    store.transact_now(lambda tx: tx.record(rows))


def events(store: DirectStore, after: int = 0, upto: int = 999, limit: int = 99) -> list[Event]:
    rows = store.transact_now(lambda tx: tx.events(after, upto, limit))
    return [row.event for row in rows]


def last(store: DirectStore) -> int:
    return store.transact_now(lambda tx: tx.look()).last


def observer(store: DirectStore, plugin: str = "o") -> ObserverRow | None:
    return store.transact_now(lambda tx: tx.observer(plugin))


def hold(store: DirectStore, holder: str, now: float, plugin: str = "o") -> ObserverRow | None:
    return store.transact_now(lambda tx: tx.hold_observer(plugin, holder, now, now + 30))


def move(store: DirectStore, before: ObserverRow, **changes: Any) -> bool:
    return store.transact_now(lambda tx: tx.move_observer(before, before._replace(**changes)))


class ObserversConformance:
    def test_changes_of_state_are_events_in_the_order_in_which_they_were_written(
        self, store: DirectStore
    ) -> None:
        fill(store, [task(0), task(1)])
        said = {"state": "failed", "attempt": 3, "detail": ODD}
        rows = [
            EventRow(5.0, "run", 1, None, {"state": "running"}),
            EventRow(6.0, "refused", 1, 1, {"fence": 1}),
            EventRow(7.5, "task", 1, 1, said),
        ]
        store.transact_now(lambda tx: tx.record(rows))
        first, second = events(store)
        assert first == Event(first.id, 5.0, "run", 1, "p", "running")
        assert second == Event(second.id, 7.5, "step", 1, "p", "failed", "t1", 3, ODD)
        assert first.id != second.id

    def test_events_are_read_from_a_number_up_to_another_and_so_many(
        self, store: DirectStore
    ) -> None:
        fill(store, [task(0)])
        record(store, "a", "b", "c", "d")
        end = last(store)
        assert [e.state for e in events(store, end - 3, end - 1)] == ["b", "c"]
        assert [e.state for e in events(store, end - 4, end, limit=2)] == ["a", "b"]

    def test_a_look_knows_the_last_event(self, store: DirectStore) -> None:
        assert last(store) == 0
        fill(store, [task(0)])
        record(store, "a")
        look = store.transact_now(lambda tx: tx.look())
        assert look.last > 0
        assert look.oldest >= look.next, "nothing is under way"

    def test_an_observer_is_added_once(self, store: DirectStore) -> None:
        assert observer(store) is None
        store.transact_now(lambda tx: tx.add_observer("o", 7))
        store.transact_now(lambda tx: tx.add_observer("o", 9))
        assert observer(store) == ObserverRow("o", 7)

    def test_who_holds_an_observer_keeps_others_away_until_its_time_is_over(
        self, store: DirectStore
    ) -> None:
        store.transact_now(lambda tx: tx.add_observer("o", 7))
        assert hold(store, "one", 100.0) == ObserverRow("o", 7, holder="one", held_until=130.0)
        assert hold(store, "other", 129.0) is None
        assert hold(store, "one", 129.0) is not None
        assert hold(store, "other", 159.0) is not None
        assert hold(store, "one", 160.0) is None

    def test_only_its_holder_moves_an_observer_and_from_where_it_is(
        self, store: DirectStore
    ) -> None:
        store.transact_now(lambda tx: tx.add_observer("o", 7))
        one = hold(store, "one", 100.0)
        assert one is not None
        assert move(store, one, seq=8, tries=2, due_at=5.5, passed_over=1)
        assert not move(store, one, seq=9), "it is not there any more"
        other = hold(store, "other", 131.0)
        assert other == ObserverRow("o", 8, 2, 5.5, 1, "other", 161.0)
        assert not move(store, one._replace(seq=8), seq=9), "somebody else holds it"

    def test_what_comes_after_a_purge_is_new_to_who_had_seen_all(self, store: DirectStore) -> None:
        """Also where the last numbers of the log are given again."""
        make(store, ended(5.0), ended(6.0))
        record(store, "late", run=1)
        seen = last(store)
        store.transact_now(lambda tx: tx.add_observer("o", seen))
        old = {event.id for event in events(store)}
        assert condemn(store) == [1]
        store.transact_now(lambda tx: tx.remove([1], 99))
        record(store, "new", run=2)
        row = observer(store)
        assert row is not None
        (new,) = events(store, row.seq, last(store))
        assert new.state == "new"
        assert new.id not in old
