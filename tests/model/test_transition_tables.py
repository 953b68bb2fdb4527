"""The transition tables keep their promises, whatever happens in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.engine.ledger import Ledger
from tidemill.model.diagram import run_diagram, task_diagram
from tidemill.model.rows import TaskRow
from tidemill.model.states import RunState, TaskState
from tidemill.model.transitions import (
    RUN_TABLE,
    TASK_TABLE,
    IllegalTransitionError,
    RunEvent,
    TaskEvent,
    move_run,
    move_task,
)


@given(st.lists(st.sampled_from(TaskEvent), max_size=40))
def test_a_walk_keeps_every_promise(events: list[TaskEvent]) -> None:
    ledger = Ledger(now=100.0, lease=30.0)
    task = TaskRow(run=1, ordinal=0, step=0, key="a", state=TaskState.BLOCKED)
    for event in events:
        before = task
        if (before.state, event) not in TASK_TABLE:
            with pytest.raises(IllegalTransitionError):
                ledger.move(before, event)
            continue
        assert not before.state.ended, "an ended state never changes"
        task = ledger.move(before, event)
        assert task.fence >= before.fence, "a fence never falls"
        assert task.attempt >= 0
        if task.state in {TaskState.QUEUED, TaskState.RESERVED, TaskState.RUNNING}:
            assert task.run_at == 130.0, "what is believed is believed until a lease ends"
        if task.state.ended:
            assert task.run_at is None
            assert task.ended_at == 100.0


def test_every_state_that_has_not_ended_can_reach_an_end() -> None:
    for state in TaskState:
        reached, waiting = {state}, [state]
        while waiting:
            here = waiting.pop()
            for (source, _), move in TASK_TABLE.items():
                if source is here and move.state not in reached:
                    reached.add(move.state)
                    waiting.append(move.state)
        assert any(found.ended for found in reached), state


@pytest.mark.parametrize("state", [state for state in TaskState if state.ended])
@pytest.mark.parametrize("event", TaskEvent)
def test_nothing_leads_out_of_an_ended_state(state: TaskState, event: TaskEvent) -> None:
    with pytest.raises(IllegalTransitionError):
        move_task(state, event)


def test_a_result_may_overtake_the_news_that_its_attempt_started() -> None:
    for event in (TaskEvent.SUCCEED, TaskEvent.FAIL, TaskEvent.TIME_OUT, TaskEvent.RETRY):
        assert move_task(TaskState.QUEUED, event) == move_task(TaskState.RUNNING, event)


@pytest.mark.parametrize("event", RunEvent)
@pytest.mark.parametrize("state", [state for state in RunState if state.ended])
def test_nothing_leads_out_of_an_ended_run(state: RunState, event: RunEvent) -> None:
    with pytest.raises(IllegalTransitionError):
        move_run(state, event)


def test_a_cancelled_run_can_only_end_cancelled() -> None:
    out = {e: s for (state, e), s in RUN_TABLE.items() if state is RunState.CANCELLING}
    assert out == {RunEvent.END_CANCELLED: RunState.CANCELLED}


def test_a_reservation_is_claimed_first_and_costs_no_attempt_when_it_is_taken_back() -> None:
    into = {source for (source, _), move in TASK_TABLE.items() if move.state is TaskState.RESERVED}
    assert into == {TaskState.QUEUED}
    ledger = Ledger(now=100.0, lease=30.0)
    task = TaskRow(run=1, ordinal=0, step=0, key="a", state=TaskState.READY)
    for event in (TaskEvent.DISPATCH, TaskEvent.RESERVE, TaskEvent.VOID):
        task = ledger.move(task, event)
    assert (task.state, task.attempt, task.fence) == (TaskState.READY, 0, 1)


def test_the_diagrams_show_every_transition() -> None:
    drawn = task_diagram() + run_diagram()
    for (source, event), move in TASK_TABLE.items():
        line = next(
            line for line in drawn.splitlines() if f"{source.value} --> {move.state.value}:" in line
        )
        assert event.value in line
