"""`run --dry-run`: what would run, in order, and with which values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from tidemill.cli import console, exits, words
from tidemill.cli.shapes import task_shape
from tidemill.cli.table import columns
from tidemill.cli.text import clean, plural
from tidemill.model.requests import RunRequest
from tidemill.model.states import TaskState
from tidemill.model.views import TaskView

if TYPE_CHECKING:
    from tidemill.app import PlanView, Project


def show(project: Project, request: RunRequest, *, as_json: bool) -> int:
    """Prints the plan; nothing is stored and nothing runs."""
    from tidemill.app import plan

    view = plan(project, request)
    if as_json:
        console.print_json(_shape(view))
    else:
        _print(view)
    return exits.OK


def _shape(view: PlanView) -> dict[str, Any]:
    return {
        "pipeline": view.pipeline,
        "digest": view.digest,
        "params": dict(view.params),
        "secrets": dict(view.secrets),
        "tasks": [task_shape(task) for task in view.tasks],
    }


def _print(view: PlanView) -> None:
    chosen = sum(_would_run(task) for task in view.tasks)
    click.echo(f"{clean(view.pipeline)} would run {plural(chosen, 'task')}; nothing has been run")
    for name, value in view.params.items():
        click.echo(f"  {name} = {clean(json.dumps(value, ensure_ascii=False))}")
    for name, known in view.secrets.items():
        click.echo(f"  secret {name} is {'set' if known else 'not set'}")
    rows = [[clean(task.key), _fate(task), ", ".join(task.needs)] for task in view.tasks]
    for line in columns(["task", "", "needs"], rows):
        click.echo(line)


def _would_run(task: TaskView) -> bool:
    return task.carried_from is None and task.state is not TaskState.SKIPPED


def _fate(task: TaskView) -> str:
    if task.carried_from is not None:
        return f"taken from run {task.carried_from}"
    if not _would_run(task):
        return "not selected"
    if task.unknown_until is not None:
        return words.unknown(task)
    if task.pipeline is not None:
        return f"would run pipeline {clean(task.pipeline)}"
    return "would run" if task.approval is None else "would ask " + words.whom(task.approval)
