"""What every store has to do with notices: part of the suite of stores."""

# ruff: noqa: S101 -- asserts are what tests are made of

from __future__ import annotations

from typing import Any

from tidemill.model.rows import NoticeRow
from tidemill.model.states import RunState, TaskState
from tidemill.testing.purging import ended, failed, make
from tidemill.testing.store_rows import RUN, DirectStore, fill, task

NOTICE = NoticeRow(0, 1, 0, "failed", 5.0, RunState.FAILED, due_at=5.0)


def tell(store: DirectStore, *changes: dict[str, Any]) -> None:
    fill(store, [task(0)])
    store.transact_now(lambda tx: tx.tell([NOTICE._replace(**each) for each in changes]))


def take(store: DirectStore, now: float, **options: Any) -> list[NoticeRow]:
    return store.transact_now(lambda tx: tx.take_notices(now, now + 60, 10, **options))


def settle(store: DirectStore, row: NoticeRow, **changes: Any) -> bool:
    return store.transact_now(lambda tx: tx.settle_notice(row._replace(**changes)))


class NoticesConformance:
    def test_a_notice_comes_back_as_it_was_told_with_a_number_and_a_try(
        self, store: DirectStore
    ) -> None:
        odd: dict[str, Any] = {"step": "unit[3.12]", "detail": "it's %s :x \N{SNOWMAN}", "block": 2}
        tell(store, odd)
        (row,) = take(store, 5.0)
        assert row == NOTICE._replace(number=row.number, tries=1, due_at=65.0, **odd)
        assert store.transact_now(lambda tx: tx.notices_of(1)) == [row]

    def test_what_is_taken_is_nobody_elses_until_its_time_is_over(self, store: DirectStore) -> None:
        tell(store, {})
        assert take(store, 4.9) == []
        (first,) = take(store, 5.0)
        assert take(store, 64.9) == []
        (second,) = take(store, 65.0)
        assert (first.number, second.tries) == (second.number, 2)
        assert not settle(store, first, due_at=None)
        assert settle(store, second, due_at=None)
        assert take(store, 1_000.0) == []

    def test_of_each_run_and_block_only_the_first_one_is_given(self, store: DirectStore) -> None:
        tell(store, {"event": "started"}, {}, {"block": 1})
        first, other = take(store, 10.0)
        assert (first.event, other.block) == ("started", 1)
        assert take(store, 10.0) == []
        settle(store, first, due_at=100.0, error="refused")
        assert [row.block for row in take(store, 99.0)] == [1], "the other block does not wait"
        assert [row.event for row in take(store, 100.0)] == ["started"]

    def test_a_dead_notice_holds_up_nobody_and_is_found(self, store: DirectStore) -> None:
        tell(store, {"event": "started"}, {})
        (first,) = take(store, 10.0)
        settle(store, first, due_at=None, error="no such address")
        assert [row.event for row in take(store, 10.0)] == ["failed"]
        (dead,) = store.transact_now(lambda tx: tx.dead_notices(10))
        assert (dead.event, dead.error, dead.due_at) == ("started", "no such address", None)

    def test_a_dead_notice_can_be_made_due_again_and_no_other(self, store: DirectStore) -> None:
        tell(store, {"event": "started"}, {})
        (first,) = take(store, 10.0)
        settle(store, first, due_at=None, error="no such address")
        again = [first.number, first.number + 1, 999]
        assert store.transact_now(lambda tx: tx.revive_notices(again, 20.0)) == 1
        assert [(row.event, row.tries) for row in take(store, 20.0)] == [("started", 1)]

    def test_who_looks_after_one_family_takes_no_other(self, store: DirectStore) -> None:
        one, child, other = make(store, {}, {"parent": 1, "parent_task": 0, "root": 1}, {})
        rows = [NOTICE._replace(run=run, due_at=9.0) for run in (one, child, other)]
        store.transact_now(lambda tx: tx.tell(rows))
        taken = take(store, 9.0, family=one)
        assert sorted({row.run for row in taken}) == [one, child]
        mine = store.transact_now(lambda tx: tx.notices_of(one))
        assert {row.run for row in mine} == {one, child}

    def test_the_next_one_is_known_and_what_waits_is_listed(self, store: DirectStore) -> None:
        assert store.transact_now(lambda tx: tx.next_notice()) is None
        tell(store, {"due_at": 7.0}, {"due_at": 6.0, "block": 1})
        assert store.transact_now(lambda tx: tx.next_notice()) == 6.0
        waiting = store.transact_now(lambda tx: tx.waiting_notices(10))
        assert [row.due_at for row in waiting] == [6.0, 7.0]

    def test_how_the_run_before_ended_leaves_out_what_says_nothing(
        self, store: DirectStore
    ) -> None:
        numbers = make(
            store,
            ended(1.0),
            failed(2.0),
            ended(3.0, RunState.CANCELLED),
            ended(4.0, root=1, parent=1, parent_task=0),
            ended(9.0, pipeline="other"),
            ended(5.0),
        )
        row = RUN._replace(number=numbers[-1])
        assert store.transact_now(lambda tx: tx.end_before(row)) is RunState.FAILED
        other = RUN._replace(pipeline="none")
        assert store.transact_now(lambda tx: tx.end_before(other)) is None

    def test_what_failed_is_told_in_the_order_in_which_it_did(self, store: DirectStore) -> None:
        states = [
            (TaskState.FAILED, 3.0),
            (TaskState.SUCCEEDED, 1.0),
            (TaskState.TIMED_OUT, 2.0),
            (TaskState.CANCELLED, 1.0),
        ]
        rows = [task(i, state, ended_at=at) for i, (state, at) in enumerate(states)]
        fill(store, rows)
        bad = store.transact_now(lambda tx: tx.bad_ends(1, 10))
        assert [end.state for end in bad] == [TaskState.TIMED_OUT, TaskState.FAILED]
        assert len(store.transact_now(lambda tx: tx.bad_ends(1, 1))) == 1
