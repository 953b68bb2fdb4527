"""Which events people are to be told of: written in the transaction in which they happen, so
that none is lost and none is told that was not. Delivering them is another room's business:
see `tidemill.engine.delivery`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tidelang.definition import Notification
from tidemill.engine.ledger import Ledger
from tidemill.engine.plans import Plans
from tidemill.model.rows import LateRow, NoticeRow, RunRow, TaskRow
from tidemill.model.states import RunState
from tidemill.ports import Turn

_EVENTS = {
    RunState.RUNNING: "started",
    RunState.SUCCEEDED: "succeeded",
    RunState.FAILED: "failed",
    RunState.CANCELLED: "cancelled",
}


def note_events(ledger: Ledger, plans: Plans, tx: Turn) -> None:
    """Stores what is to be told of the changes in a ledger. The runs
    themselves are stored, or will be in this transaction."""
    rows = [
        *(row for run in ledger.moved_runs for row in _of_run(run, plans, tx)),
        *(row for task in ledger.asked for row in _of_task(task, ledger, plans, tx)),
        *(
            row
            for late in ledger.late[ledger.noted :]
            for row in _of_deadline(late, ledger, plans, tx)
        ),
    ]
    ledger.noted = len(ledger.late)
    ledger.moved_runs.clear()
    ledger.asked.clear()
    if rows:
        ledger.told = True
        tx.tell(rows)


def _of_run(run: RunRow, plans: Plans, tx: Turn) -> Iterator[NoticeRow]:
    event = _EVENTS.get(run.state)
    if event is None:
        return
    at = run.ended_at or run.started_at or run.created_at
    for number, block in enumerate(_blocks(run, plans, tx)):
        if event in block.on:
            yield NoticeRow(0, run.number, number, event, at, run.state, due_at=at)
        if event == "succeeded" and "recovered" in block.on and _has_recovered(run, tx):
            yield NoticeRow(0, run.number, number, "recovered", at, run.state, due_at=at)


def _has_recovered(run: RunRow, tx: Turn) -> bool:
    """A run that is part of another one is not one more of its pipeline."""
    return run.root is None and tx.end_before(run) is RunState.FAILED


def _of_task(task: TaskRow, ledger: Ledger, plans: Plans, tx: Turn) -> Iterator[NoticeRow]:
    run = ledger.run(task.run)
    for number, block in enumerate(_blocks(run, plans, tx)):
        if "approval_needed" in block.on:
            yield NoticeRow(
                0,
                run.number,
                number,
                "approval_needed",
                ledger.now,
                run.state,
                task.key,
                task.detail,
                due_at=ledger.now,
            )


def _of_deadline(late: LateRow, ledger: Ledger, plans: Plans, tx: Turn) -> Iterator[NoticeRow]:
    for number, block in enumerate(_blocks(ledger.run(late.run), plans, tx)):
        if late.event in block.on:
            row = NoticeRow(0, late.run, number, late.event, late.at, late.state, due_at=late.at)
            yield row._replace(step=late.key, detail=late.detail)


def _blocks(run: RunRow, plans: Plans, tx: Turn) -> Sequence[Notification]:
    if not run.told:
        return ()
    if plans.find(run.number) is None:
        plans.refresh(tx, [run])
    return plans.of(run.number).definition.notifications
