"""What a policy is told of a step that is about to be offered."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from tidemill.model.messages import PRIORITIES, Order
from tidemill.model.plan import Plan
from tidemill.model.rows import RunRow, TaskRow
from tidemill.spi import DispatchTask


def described(run: RunRow, plan: Plan, task: TaskRow, order: Order) -> DispatchTask:
    """Copies of everything: who is asked decides, and changes nothing."""
    step = plan.steps[task.step].step
    return DispatchTask(
        run=run.number,
        pipeline=run.pipeline,
        file=run.file,
        step=step.name,
        key=task.key,
        attempt=task.attempt,
        executor=order.executor,
        settings=_without_secrets(order),
        pool=step.pool,
        priority=PRIORITIES[task.priority],
        labels=dict(step.labels),
        regions=step.regions,
        resources=dict(step.resources),
        params=deepcopy(dict(run.params)),
        idempotent=step.idempotent,
    )


def _without_secrets(order: Order) -> dict[str, Any]:
    """The settings without those that hold a secret, wherever in them it is."""
    secret = {path[0] for path, _ in order.secret_settings}
    return {key: deepcopy(each) for key, each in order.settings.items() if key not in secret}
