"""A person's yes or no to a task that asks: who may, on which task, and when it is too late.

What is recorded here is applied by the scheduler that drives the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from tidelang.definition import Approval
from tidemill.engine.plans import Plans
from tidemill.errors import UsageError
from tidemill.model.plan import Plan
from tidemill.model.rows import DecisionRow, RunRow, TaskRow
from tidemill.model.states import RunState, TaskState
from tidemill.ports import Transaction


@dataclass(frozen=True, slots=True)
class Person:
    """Who speaks, and the groups they are in."""

    name: str
    groups: frozenset[str] = frozenset()

    def is_among(self, names: Sequence[str]) -> bool:
        """Nobody in particular means anybody."""
        return not names or self.name in names or not self.groups.isdisjoint(names)


@dataclass(frozen=True, slots=True)
class Answer:
    """To the task with this key, or of the step with this name."""

    step: str
    approved: bool
    reason: str = ""


def record_decision(
    tx: Transaction, number: int, answer: Answer, person: Person, now: float
) -> TaskRow:
    """Makes a decision durable; the task it is about.

    Raises:
        UsageError: there is nothing to decide, or not for this person.
    """
    (run,) = tx.runs([number])
    if run.state.ended or run.state is RunState.CANCELLING:
        did = "is being cancelled" if run.state is RunState.CANCELLING else "has ended"
        raise UsageError(f"run {number} {did}: nothing of it waits for approval")
    plans = Plans()
    plans.refresh(tx, [run])
    plan = plans.of(number)
    decided = {decision.ordinal for decision in tx.decisions(number)}
    task = _one(_meant(plan, tx.all_tasks(number), run, answer.step), decided, answer.step)
    (task,) = tx.tasks([task.ref])  # locked from here on, where others could decide too
    _check(tx, plan, task, person, now)
    tx.decide(
        DecisionRow(
            *task.ref, answer.approved, person.name, answer.reason, prompt=task.detail, at=now
        )
    )
    return task


def _meant(plan: Plan, tasks: Iterable[TaskRow], run: RunRow, name: str) -> list[TaskRow]:
    """The tasks that a name may stand for."""
    tasks = list(tasks)
    found = [task for task in tasks if task.key == name]
    found = found or [task for task in tasks if plan.steps[task.step].step.name == name]
    asking = [s.step.name for s in plan.steps if isinstance(s.step.action, Approval)]
    these = f"these do: {', '.join(asking)}" if asking else "no step of this run does"
    if not found:
        names = dict.fromkeys(n for t in tasks for n in (plan.steps[t.step].step.name, t.key))
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"which steps ask for approval: {these}"
        raise UsageError(f"run {run.number} has no step {name!r}", hint)
    if not isinstance(plan.steps[found[0].step].step.action, Approval):
        raise UsageError(f"step {name} does not ask for approval", these)
    return found


def _one(tasks: Sequence[TaskRow], decided: set[int], name: str) -> TaskRow:
    """The task that is meant, where a step has several."""
    if len(tasks) == 1:
        return tasks[0]
    waiting = [
        task
        for task in tasks
        if task.state is TaskState.AWAITING_APPROVAL and task.ordinal not in decided
    ]
    if len(waiting) == 1:
        return waiting[0]
    keys = ", ".join(repr(task.key) for task in (waiting or tasks)[:12])
    if waiting:
        raise UsageError(f"{len(waiting)} tasks of {name} wait for approval", f"say which: {keys}")
    raise UsageError(f"no task of {name} waits for approval", f"its tasks are {keys}")


def _check(tx: Transaction, plan: Plan, task: TaskRow, person: Person, now: float) -> None:
    """Whether this person may decide on this task, now."""
    look = f"`tidemill status {task.run}` shows how things stand"
    if task.state in {TaskState.BLOCKED, TaskState.READY}:
        needs = ", ".join(plan.steps[task.step].step.needs)
        raise UsageError(f"{task.key} does not wait for approval yet: it waits for {needs}", look)
    if task.state.ended:
        why = task.detail or task.state.value.replace("_", " ")
        raise UsageError(f"{task.key} does not wait for approval any more: {why}", look)
    earlier = tx.decision(task.ref)
    if earlier is not None:
        word = "approved" if earlier.approved else "rejected"
        raise UsageError(f"{task.key} was {word} by {earlier.who} already", look)
    if task.run_at is not None and task.run_at <= now:
        again = f"to be asked again: `tidemill retry {task.run}` once the run has ended"
        raise UsageError(f"the time to decide on {task.key} is over", again)
    action = plan.steps[task.step].step.action
    if isinstance(action, Approval) and not person.is_among(action.by):
        these = f"these users and groups may: {', '.join(action.by)}"
        raise UsageError(f"{person.name} may not decide on {task.key}", these)
