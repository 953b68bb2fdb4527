"""Views as plain data, for every `--json`. The names here are an interface."""

from __future__ import annotations

from typing import Any

from tidemill.model.views import ApprovalView, CacheView, RunView, TaskView


def run_shape(run: RunView) -> dict[str, Any]:
    return {
        "number": run.number,
        "pipeline": run.pipeline,
        "state": run.state.value,
        "file": run.file,
        "digest": run.digest,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "params": dict(run.params),
        "retry_of": run.retry_of,
        "interrupted": run.interrupted,
        "detail": run.detail,
        "parent": run.parent,
        "deadline_at": run.deadline_at,
        "late": [
            {"at": late.at, "event": late.event, "task": late.key, "detail": late.detail}
            for late in run.late
        ],
    }


def task_shape(task: TaskView) -> dict[str, Any]:
    return {
        "task": task.key,
        "step": task.step,
        "state": task.state.value,
        "needs": list(task.needs),
        "attempt": task.attempt,
        "attempts": task.attempts,
        "started_at": task.started_at,
        "ended_at": task.ended_at,
        "exit_code": task.exit_code,
        "detail": task.detail,
        "waits_until": task.waits_until,
        "allow_failure": task.allow_failure,
        "carried_from": task.carried_from,
        "outputs": dict(task.outputs),
        "cached_from": task.cached_from,
        "approval": None if task.approval is None else approval_shape(task.approval),
        "unknown_until": None if task.unknown_until is None else list(task.unknown_until),
        "pipeline": task.pipeline,
        "child": task.child,
    }


def cache_shape(cache: CacheView) -> dict[str, Any]:
    return {
        "key": cache.key,
        "hit": cache.hit,
        "reason": cache.reason,
        "since": cache.since,
        "changed": list(cache.changes.changed),
        "new": list(cache.changes.new),
        "gone": list(cache.changes.gone),
    }


def approval_shape(approval: ApprovalView) -> dict[str, Any]:
    return {
        "by": list(approval.by),
        "prompt": approval.prompt,
        "until": approval.until,
        "command": approval.command,
    }
