"""Puts together the order for an attempt: every expression of the step worked out, every
limit of the system checked, nothing left to look up but what only the worker knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidelang import definition, values
from tidelang.evaluate import EvaluationError, Scope, evaluate
from tidelang.shell import FillError, called, check_argv, check_environment, fill
from tidemill.engine.scopes import Outputs, task_scope
from tidemill.model.fingerprint import digest_of
from tidemill.model.line import rank_of
from tidemill.model.messages import CacheRule, FileInput, Order
from tidemill.model.outputs import file_inputs
from tidemill.model.placement import wants_of
from tidemill.model.plan import Instance, Plan, PlannedStep
from tidemill.model.rows import RunRow, StageRef, TaskRef, TaskRow
from tidemill.model.settings import work_out
from tidemill.spi import INPUTS

POOL = "default"
"""Where there is but one pool: of a run that is driven by the process that made it."""


class OrderError(Exception):
    """The order cannot be put together; the text says why, for the pipeline's author."""


def make_order(run: RunRow, plan: Plan, task: TaskRow, outputs: Outputs) -> Order:
    """The order for a task that has just been dispatched (its fence and attempt count).

    Raises:
        OrderError: a value is missing, of the wrong kind, or cannot be passed.
    """
    planned = plan.steps[task.step]
    instance = planned.instance(task.ordinal)
    scope = task_scope(run, plan, planned, instance, outputs, attempt=task.attempt)
    step = planned.step
    try:
        script, argv, env, secrets = _action(step.action, scope)
        for name, expr in step.env:
            value = _value(expr, scope, f"env {name}")
            if isinstance(value, values.Secret):
                secrets[name] = value
            else:
                env[name] = values.to_text(value)
        env |= _facts(run, task)
        check_environment(env)
        settings, secret_settings = work_out(
            step.executor.settings,
            lambda name, expr: _value(expr, scope, f"executor setting {name}"),
        )
        return Order(
            ref=task.ref,
            fence=task.fence,
            key=task.key,
            step=step.name,
            attempt=task.attempt,
            pool=task.pool or POOL,
            priority=rank_of(task.priority, run.raised),
            idempotency_key=env["TIDE_IDEMPOTENCY_KEY"],
            script=script,
            argv=argv,
            env=env,
            workdir="." if step.workdir is None else _text(step.workdir, scope, "workdir"),
            executor=step.executor.kind,
            settings=settings,
            inputs=_inputs(run, plan, planned, instance, outputs),
            globs={
                output.name: _text(output.glob, scope, f"output {output.name}")
                for output in step.outputs
                if output.glob is not None
            },
            values=step.outputs,
            timeout=None if step.timeout is None else step.timeout / 1000,
            secret_env=secrets,
            secret_settings=tuple(secret_settings),
            epoch=task.epoch,
            target=task.target,
            resources=_resources(step) if task.target else {},
            once=not step.idempotent,
            cache=_cache_rule(run, plan, planned, scope, outputs),
        )
    except FillError as error:
        raise OrderError(str(error)) from None


def _resources(step: definition.Step) -> dict[str, float]:
    wants = wants_of(step)
    return {} if wants is None else dict(wants.resources)


def _facts(run: RunRow, task: TaskRow) -> dict[str, str]:
    """What every step is told about itself."""
    return {
        "TIDE_RUN": str(run.number),
        "TIDE_PIPELINE": run.pipeline,
        "TIDE_STEP": task.key,
        "TIDE_ATTEMPT": str(task.attempt),
        "TIDE_FENCE": str(task.fence),
        "TIDE_IDEMPOTENCY_KEY": f"{run.pipeline}/{run.origin or run.number}/{task.key}",
    }


def _action(
    action: definition.Action, scope: Scope
) -> tuple[dict[str, Any] | None, tuple[str, ...] | None, dict[str, str], dict[str, values.Secret]]:
    if isinstance(action, definition.Argv):
        return None, _argv(action, scope), {}, {}
    if not isinstance(action, definition.Script):
        raise TypeError(f"{type(action).__name__} is no work for a worker")
    found = [_value(v.value, scope, called(v.name)) for v in action.variables]
    filled = fill(action, found)
    script = {
        "text": filled.text,
        "interpreter": action.interpreter,
        "in_file": action.in_file,
    }
    return script, None, dict(filled.env), dict(filled.secrets)


def _argv(action: definition.Argv, scope: Scope) -> tuple[str, ...]:
    argv: list[str] = []
    for item in action.items:
        value = _value(item, scope, "an argument of `run`")
        argv.extend(values.to_text(v) for v in (value if isinstance(value, list) else [value]))
    check_argv(argv)
    if not argv or not argv[0]:
        raise OrderError("`run` names no program: its first argument is empty")
    return tuple(argv)


def _inputs(
    run: RunRow, plan: Plan, planned: PlannedStep, instance: Instance, outputs: Outputs
) -> tuple[FileInput, ...]:
    """The files of all outputs that the step uses, and of those that its list is made of
    the ones in this item."""
    found: dict[str, FileInput] = {}
    named = _paths(list(instance.loop.values()))
    for reads, every in ((planned.draws, False), (planned.reads, True)):
        for index, names in reads.items():
            stored = outputs.of(StageRef(run.number, index))
            for upstream in plan.steps[index].instances:
                kept = stored.get(TaskRef(run.number, upstream.ordinal)) or {}
                for file in _files_of(upstream, kept, names):
                    if every or file.path in named:
                        found[file.path] = file
    return tuple(found.values())


def _paths(value: values.Value) -> set[str]:
    """The paths below the folder of inputs that stand in a value."""
    if isinstance(value, str):
        return {value.removeprefix(f"{INPUTS}/")} if value.startswith(INPUTS) else set()
    if isinstance(value, dict):
        value = list(value.values())
    return set().union(*map(_paths, value)) if isinstance(value, list) else set()


def _files_of(
    instance: Instance, kept: Mapping[str, Any], names: frozenset[str]
) -> list[FileInput]:
    return [
        file
        for name in sorted(names & kept.keys())
        for file in file_inputs(instance.key, name, kept[name])
    ]


def _cache_rule(
    run: RunRow, plan: Plan, planned: PlannedStep, scope: Scope, outputs: Outputs
) -> CacheRule | None:
    """A step that must not be repeated has an effect of its own: no result replaces it."""
    cache = planned.step.cache
    if cache is None or not planned.step.idempotent:
        return None
    found = [_value(item, scope, "an input of `cache`") for item in cache.inputs]
    patterns = [p for item in found for p in (item if isinstance(item, list) else [item])]
    return CacheRule(
        inputs=tuple(values.to_text(pattern) for pattern in patterns),
        key=None if cache.key is None else values.to_json(_value(cache.key, scope, "`key`")),
        used=_used(run, plan, planned, outputs),
        max_age=None if cache.max_age is None else cache.max_age / 1000,
        read=not run.fresh,
    )


def _used(run: RunRow, plan: Plan, planned: PlannedStep, outputs: Outputs) -> dict[str, str]:
    """The digests of the outputs that a step uses: of values, and of files' contents."""
    used = {}
    for index, names in planned.reads.items():
        upstream = plan.steps[index]
        stored = outputs.of(StageRef(run.number, index))
        each = [stored.get(TaskRef(run.number, i.ordinal)) or {} for i in upstream.instances]
        keys = [instance.key for instance in upstream.instances]
        for name in sorted(names):
            kept = [(key, kept.get(name)) for key, kept in zip(keys, each, strict=True)]
            used[f"{name} of {upstream.step.name}"] = digest_of(kept)
    return used


def _text(expr: definition.Expr, scope: Scope, what: str) -> str:
    return values.to_text(_value(expr, scope, what))


def _value(expr: definition.Expr, scope: Scope, what: str) -> values.Value:
    try:
        return evaluate(expr, scope)
    except EvaluationError as error:
        raise OrderError(f"{what} has no value: {error}") from None
