"""What a ledger says before it is written is what the database says afterwards."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.engine.ledger import Ledger
from tidemill.model.rows import ExpansionRow, Queue, StageRef, TaskRow
from tidemill.model.states import TaskState
from tidemill.model.transitions import TASK_TABLE, TaskEvent
from tidemill.ports import Transaction
from tidemill.store.database import open_sqlite
from tidemill.store.sql import SqlStore
from tidemill.testing.store_rows import fill, task

NOW = 10.0
STORED = 12
POOLS = ("default", "")
# Mostly those that what is asked here turns on.
STATES = st.sampled_from([TaskState.READY] * 12 + [TaskState.BLOCKED] * 6 + [*TaskState])
TIMES = st.sampled_from([5.0, 5.0, NOW, 20.0])


@st.composite
def rows(draw: st.DrawFn, first: int, count: int) -> list[TaskRow]:
    return [
        task(
            first + at,
            draw(STATES),
            run_at=draw(TIMES),
            place=draw(st.floats(0, 4)),
            pool=draw(st.sampled_from(POOLS)),
            lane=draw(st.integers(0, 1)),
            limited=draw(st.booleans()),
        )
        for at in range(count)
    ]


def change(ledger: Ledger, data: st.DataObject) -> None:
    """Moves some tasks, some of them more than once, as the table allows it."""
    for row in data.draw(st.lists(st.sampled_from(ledger.tasks()), min_size=5, max_size=20)):
        current = ledger.task(row.ref)
        assert current is not None
        events = [event for event in TaskEvent if (current.state, event) in TASK_TABLE]
        if events:
            ledger.move(current, data.draw(st.sampled_from(events)), wait_until=data.draw(TIMES))


@settings(max_examples=80, deadline=None, database=None)
@given(st.data())
def test_what_is_active_and_ready_is_known_before_it_is_written(data: st.DataObject) -> None:
    limits = {Queue(pool, lane): data.draw(st.integers(1, 4)) for pool in POOLS for lane in (0, 1)}
    full = {StageRef(1, step) for step in data.draw(st.sampled_from([(), (), (0,), (1,)]))}

    def work(tx: Transaction) -> None:
        ledger = Ledger(NOW, lease=30.0)
        ledger.add_tasks(tx.all_tasks(1)[: data.draw(st.integers(6, STORED))])
        if data.draw(st.booleans()):
            ledger.add_new(ExpansionRow(1, 1, STORED, []), data.draw(rows(STORED, 3)))
        change(ledger, data)
        active = ledger.active(tx.active())
        ready = ledger.ready(
            lambda more: tx.ready(NOW, more, full),
            limits,
            lambda row: None if StageRef(1, row.step) in full else Queue(row.pool or "", row.lane),
        )
        ledger.flush(tx)
        assert active == tx.active()
        stored = tx.ready(NOW, limits, full)
        assert ready == sorted(stored, key=lambda row: (row.place, row.ref))

    with tempfile.TemporaryDirectory() as folder:
        store = SqlStore(open_sqlite(Path(folder) / "db.sqlite"))
        fill(store, data.draw(rows(0, STORED)))
        store.transact_now(work)
