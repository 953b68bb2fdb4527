"""`tidemill status`: one run and its tasks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import click

from tidemill.cli import console, exits, words
from tidemill.cli.arguments import run_number
from tidemill.cli.latest import number_or_latest
from tidemill.cli.shapes import run_shape, task_shape
from tidemill.cli.style import Paint
from tidemill.cli.table import columns
from tidemill.cli.text import clean
from tidemill.cli.times import duration, elapsed, moment
from tidemill.model.states import RunState, TaskState
from tidemill.model.views import LATE_WORDS, RunView, TaskView

_HEAD = ["", "task", "state", "time", "attempt", "exit", "detail"]
_RETRIED = frozenset({RunState.FAILED, RunState.CANCELLED})


@click.command(
    epilog="""\b
Examples:
  tidemill status
  tidemill status 7 --json
"""
)
@click.argument("run", type=run_number, required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(run: int | None, as_json: bool) -> int:
    """Show a run and its tasks.

    RUN is the latest run unless given.
    """
    project = console.project()
    number = number_or_latest(project, run)
    past = console.past(project)
    view, tasks = past.run(number), past.tasks(number)
    if as_json:
        console.print_json({**run_shape(view), "tasks": [task_shape(task) for task in tasks]})
    else:
        click.echo("\n".join(_text(view, tasks)))
    return exits.OK


def _text(run: RunView, tasks: list[TaskView]) -> Iterator[str]:
    paint, now = Paint(console.colour()), time.time()
    yield from _about(run, paint, now)
    yield ""
    yield from _table(tasks, paint, now)
    yield from _outputs(tasks)
    yield from _asking(tasks, paint)
    if run.interrupted or run.state in _RETRIED:
        yield ""
        yield f"{_way_on(run)}: {paint.strong(f'tidemill retry {run.number}')}"


def _about(run: RunView, paint: Paint, now: float) -> Iterator[str]:
    state = "interrupted" if run.interrupted else words.word(run.state)
    took = "" if run.interrupted else elapsed(run.started_at, run.ended_at, now)
    after = f" {'in' if run.ended_at else 'for'} {took}" if took else ""
    yield f"{clean(run.pipeline)} #{run.number} {paint.run(run.state, state)}{after}"
    if run.interrupted:
        yield "its process ended before it did; nothing of it runs now"
    if run.detail:
        yield clean(run.detail)
    origin = f", part of run {run.parent}" if run.parent else ""
    origin += f", retry of run {run.retry_of}" if run.retry_of else ""
    yield f"file {clean(run.file)}, started {moment(run.started_at or run.created_at)}{origin}"
    yield from _deadlines(run, paint, now)
    for name, value in run.params.items():
        yield f"  {name} = {_json(value)}"


def _deadlines(run: RunView, paint: Paint, now: float) -> Iterator[str]:
    if run.deadline_at is not None:
        left = run.deadline_at - now
        time_left = f", in {duration(left)}" if left > 0 and not run.state.ended else ""
        yield f"deadline {moment(run.deadline_at)}{time_left}"
    for late in run.late:
        name = clean(late.key) or "the run"
        what = paint.state(TaskState.TIMED_OUT, LATE_WORDS[late.event])
        yield f"  {name} {what}: {clean(late.detail)} ({moment(late.at)})"


def _table(tasks: list[TaskView], paint: Paint, now: float) -> Iterator[str]:
    glyphs = console.usable_encoding()

    def coloured(row: int, column: int, text: str) -> str:
        if row < 0:
            return paint.faint(text)
        return paint.state(tasks[row].state, text) if column in (0, 2) else text

    rows = [_row(task, now, glyphs) for task in tasks]
    yield from columns(_HEAD, rows, right=frozenset({"time", "exit"}), paint=coloured)


def _row(task: TaskView, now: float, glyphs: bool) -> list[str]:
    look = words.LOOKS[task.state]
    tries = f"{task.attempt}/{task.attempts}" if task.attempt and task.attempts > 1 else ""
    return [
        look.symbol if glyphs else look.plain_symbol,
        clean(task.key),
        words.state_word(task),
        elapsed(task.started_at, task.ended_at, now),
        tries,
        "" if task.exit_code is None else str(task.exit_code),
        _detail(task, now),
    ]


def _detail(task: TaskView, now: float) -> str:
    said = [clean(task.detail), words.unknown(task)]
    if task.approval is not None and task.approval.command:
        said = [words.asked(task.approval)]
    if task.carried_from is not None:
        said.append(f"taken from run {task.carried_from}")
    if task.waits_until is not None and task.waits_until > now:
        said.append(f"tries again at {moment(task.waits_until)}")
    if task.allow_failure and task.state in words.BAD:
        said.append("allowed to fail")
    return ", ".join(text for text in said if text)


def _outputs(tasks: list[TaskView]) -> Iterator[str]:
    given = [(task, name) for task in tasks for name in task.outputs]
    if given:
        yield ""
        yield "outputs"
    for task, name in given:
        yield f"  {clean(task.key)}.{name} = {_json(task.outputs[name])}"


def _asking(tasks: list[TaskView], paint: Paint) -> Iterator[str]:
    commands = [task.approval.command for task in tasks if task.approval is not None]
    for place, command in enumerate(filter(None, commands)):
        if not place:
            yield ""
        yield f"approve it: {paint.strong(clean(command))}  (or --reject)"


def _json(value: object) -> str:
    return clean(json.dumps(value, ensure_ascii=False, default=str))


def _way_on(run: RunView) -> str:
    return "retry what failed" if run.state is RunState.FAILED else "go on with it"
