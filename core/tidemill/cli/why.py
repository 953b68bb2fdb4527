"""Why a task ran or did not, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tidelang.shell import called
from tidemill.cli import words
from tidemill.cli.logs import chosen
from tidemill.cli.shapes import cache_shape
from tidemill.model.messages import NO_RESULT
from tidemill.model.states import TaskState
from tidemill.model.views import CacheView, RunView, TaskView

if TYPE_CHECKING:
    from tidemill.app import History

_MOST: Final = 20
"""So many changes are named; `--json` has all."""

_SHOWN: Final = {
    "script": "the script",
    "interpreter": "the interpreter",
    "arguments": "the arguments of `run`",
    "workdir": "`workdir`",
    "executor": "the executor",
    "key": "`key` of the cache",
}
_NAMED: Final = {
    "file": "{}",
    "files": "something in {}",
    "setting": "executor setting {}",
    "declared": "what is declared of output {}",
    "secret": "which secret {} is",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """`because` says why the task is in its state, `cache` what it found there."""

    run: RunView
    task: TaskView
    because: str
    cache: CacheView | None


def answers(history: History, number: int, step: str) -> list[Answer]:
    """Of every task that `step` may mean.

    Raises:
        UsageError: the run has no such step.
    """
    run, tasks = history.run(number), history.tasks(number)
    return [
        Answer(run, task, _because(run, task, tasks, history), history.cache(number, task.key))
        for task in chosen(tasks, number, step)
    ]


def shape(answer: Answer) -> dict[str, Any]:
    return {
        "run": answer.run.number,
        "task": answer.task.key,
        "state": answer.task.state.value,
        "because": answer.because,
        "cache": None if answer.cache is None else cache_shape(answer.cache),
    }


def lines(answer: Answer) -> Iterator[str]:
    head = f"{answer.task.key} of run {answer.run.number} {answer.because}"
    cache = answer.cache
    if cache is None:
        yield head
        return
    if cache.hit is not None:
        yield head
        return
    yield f"{head}; the cache had no result for it:"
    yield from (f"  {line}" for line in _misses(cache))


def _misses(cache: CacheView) -> Iterator[str]:
    said = cache.reason != NO_RESULT
    if said:
        yield cache.reason
    if cache.since is None:
        yield "no earlier attempt to compare with"
        return
    named = list(_changes(cache))
    if named:
        yield f"since run {cache.since}:"
        yield from (f"  {line}" for line in named[:_MOST])
        if len(named) > _MOST:
            yield f"  and {len(named) - _MOST} more (--json has all)"
    elif not said:
        kept = "the result of it is not there any more" if cache.since_ok else "it failed there"
        yield f"nothing has changed since run {cache.since}, but {kept}"


def _changes(cache: CacheView) -> Iterator[str]:
    found = cache.changes
    yield from _worded(found.changed, "changed")
    yield from _worded(found.new, "is new")
    yield from _worded(found.gone, "is gone")


def _worded(labels: Iterable[str], verb: str) -> Iterator[str]:
    return (f"{_part(label)} {verb}" for label in labels)


def _part(label: str) -> str:
    """A part of a key, as the pipeline's author knows it."""
    kind, _, name = label.partition(" ")
    if kind == "env":
        known = called(name)
        return f"the value of {known}" if known != name else f"env {name}"
    if kind == "output":
        output, _, step = name.partition(" of ")
        return f"output {output} of step {step}"
    return _NAMED[kind].format(name) if kind in _NAMED else _SHOWN.get(label, label)


# --- the state -------------------------------------------------------------------------


def _because(run: RunView, task: TaskView, tasks: Sequence[TaskView], history: History) -> str:
    state, detail = task.state, words.reason(task)
    if task.carried_from is not None:
        return f"was not run: its result was taken over from run {task.carried_from}"
    if task.cached_from is not None:
        return f"was not run: nothing has changed since run {task.cached_from}, whose result it has"
    if task.approval is not None and state is TaskState.AWAITING_APPROVAL:
        return f"waits for approval: {words.asked(task.approval)}: {task.approval.command}"
    if state is TaskState.BLOCKED:
        needs = {other.step for other in tasks if not other.state.ended} & set(task.needs)
        return f"has not run yet: it waits for {', '.join(sorted(needs))}"
    if state is TaskState.UPSTREAM_FAILED:
        return f"was not run: {detail}{_roots(task, tasks)}"
    if state is TaskState.SKIPPED or (state.ended and task.started_at is None):
        return f"was not run: {detail or words.word(state)}"
    if not state.ended:
        return _under_way(run, task, history)
    why = f" ({detail})" if detail else ""
    return f"{'was asked' if task.approval else 'ran'}: it {words.word(state)}{why}"


def _under_way(run: RunView, task: TaskView, history: History) -> str:
    if run.interrupted:
        return f"has not ended: its run was interrupted, `tidemill retry {run.number}` goes on"
    if task.state is TaskState.RUNNING:
        return "is running"
    if task.state is TaskState.RESERVED:
        return "waits for the time it is due at: a worker has reserved a slot, and gets ready"
    if task.state is TaskState.DELEGATED:
        return f"is running, as run {task.child}: `tidemill status {task.child}` shows it"
    after = f" after a failed attempt ({words.reason(task)})" if task.attempt else ""
    waits = history.waits(run.number, task.key) or "it waits for its turn"
    return f"may run{after}, and has not started: {waits}"


def _roots(task: TaskView, tasks: Sequence[TaskView]) -> str:
    """The failures that a task is not run for, where they lie further up."""
    by_step: dict[str, list[TaskView]] = {}
    for other in tasks:
        by_step.setdefault(other.step, []).append(other)
    seen, waiting, roots = set(task.needs), list(task.needs), []
    while waiting:
        for other in by_step.get(waiting.pop(), ()):
            if other.state in words.BAD and not other.allow_failure:
                roots.append(f"{other.key}: {words.reason(other) or words.word(other.state)}")
            elif other.state is TaskState.UPSTREAM_FAILED:
                waiting += [need for need in other.needs if need not in seen]
                seen.update(other.needs)
    return f" ({'; '.join(sorted(roots)[:5])})" if roots else ""
