"""Rows as people and programs are shown them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from shlex import quote
from typing import Any

from tidelang.definition import Action, Approval, Subrun
from tidemill.model.changes import changes
from tidemill.model.outputs import FILES, is_files
from tidemill.model.plan import Plan
from tidemill.model.rows import AttemptRow, LateRow, RunRow, TaskRow
from tidemill.model.states import TaskState
from tidemill.model.views import ApprovalView, CacheView, LateView, RunView, TaskView
from tidemill.spi import Reason


def late_view(row: LateRow) -> LateView:
    return LateView(row.at, row.event, row.key, row.detail)


def run_view(run: RunRow, *, interrupted: bool = False, late: Iterable[LateRow] = ()) -> RunView:
    return RunView(
        number=run.number,
        pipeline=run.pipeline,
        state=run.state,
        file=run.file,
        digest=run.digest,
        created_at=run.created_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
        params=run.params,
        retry_of=run.retry_of,
        interrupted=interrupted,
        detail=run.detail,
        parent=run.parent,
        deadline_at=run.deadline_at,
        late=tuple(late_view(row) for row in late),
    )


def task_view(task: TaskRow, plan: Plan) -> TaskView:
    step = plan.steps[task.step].step
    waits = task.state is TaskState.READY and task.attempt > 0
    unknown = _unknown_until(task, plan)
    return TaskView(
        key=task.key,
        step=step.name,
        state=task.state,
        needs=step.needs,
        attempt=task.attempt,
        attempts=step.retry.attempts,
        started_at=task.started_at,
        ended_at=task.ended_at,
        exit_code=task.exit_code,
        detail=task.detail,
        waits_until=task.run_at if waits else None,
        allow_failure=step.allow_failure,
        carried_from=task.carried_from,
        outputs=_shown(task.outputs or {}),
        approval=_approval(task, step.action),
        cached_from=task.cached_from,
        unknown_until=unknown,
        pipeline=step.action.pipeline if isinstance(step.action, Subrun) else None,
        child=task.child,
    )


def within(path: str, task: TaskView) -> TaskView:
    """A task of a run below the one that is shown: `path` names the tasks above it."""
    needs = tuple(path + need for need in task.needs)
    return replace(task, key=path + task.key, step=path + task.step, needs=needs)


def _unknown_until(task: TaskRow, plan: Plan) -> tuple[str, ...] | None:
    """For what stands for a fan-out's tasks: whose outputs its list is made of."""
    step = plan.steps[task.step]
    if step.stand_in is None or step.stand_in.ordinal != task.ordinal or task.state.ended:
        return None
    return tuple(plan.steps[index].step.name for index in step.draws)


def _approval(task: TaskRow, action: Action) -> ApprovalView | None:
    if not isinstance(action, Approval):
        return None
    if task.state is not TaskState.AWAITING_APPROVAL:
        return ApprovalView(action.by)
    command = f"tidemill approve {task.run} {quote(task.key)}"
    return ApprovalView(action.by, task.detail, task.run_at, command)


def task_views(tasks: Iterable[TaskRow], plan: Plan) -> list[TaskView]:
    """In an order in which no task stands before one it needs; without what stood for
    tasks that are there by now."""
    place = {step.index: place for place, step in enumerate(plan.topological())}
    shown = (task for task in tasks if task.state is not TaskState.EXPANDED)
    ordered = sorted(shown, key=lambda task: (place[task.step], task.ordinal))
    return [task_view(task, plan) for task in ordered]


def cache_view(attempt: AttemptRow, earlier: AttemptRow | None) -> CacheView:
    """Of an attempt that looked, beside an earlier one that did."""
    found = attempt.cache or {}
    view = CacheView(found["key"], found["hit"], found["reason"])
    if earlier is None or earlier.cache is None:
        return view
    return replace(
        view,
        since=earlier.run,
        since_ok=earlier.outcome == Reason.EXITED and earlier.exit_code == 0,
        changes=changes(earlier.cache["parts"], found["parts"]),
    )


def _shown(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Files by their names; values as they are."""
    return {
        name: [file["name"] for file in value[FILES]] if is_files(value) else value
        for name, value in outputs.items()
    }
