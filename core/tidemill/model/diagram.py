"""Draws the transition tables as Mermaid state diagrams, for the docs."""

from __future__ import annotations

from collections.abc import Iterable

from tidemill.model.states import RunState, TaskState
from tidemill.model.transitions import RUN_TABLE, TASK_TABLE


def task_diagram() -> str:
    moves = ((a.value, b.state.value, e.value) for (a, e), b in TASK_TABLE.items())
    return _draw(TaskState.BLOCKED.value, moves, (s.value for s in TaskState if s.ended))


def run_diagram() -> str:
    moves = ((a.value, b.value, e.value) for (a, e), b in RUN_TABLE.items())
    return _draw(RunState.PENDING.value, moves, (s.value for s in RunState if s.ended))


def _draw(first: str, moves: Iterable[tuple[str, str, str]], ended: Iterable[str]) -> str:
    events: dict[tuple[str, str], list[str]] = {}
    for source, target, event in moves:
        events.setdefault((source, target), []).append(event)
    lines = ["stateDiagram-v2", f"    [*] --> {first}"]
    lines += [f"    {a} --> {b}: {', '.join(names)}" for (a, b), names in events.items()]
    lines += [f"    {state} --> [*]" for state in ended]
    return "\n".join(lines) + "\n"


def page() -> str:
    """The page of the docs, whole."""
    return _PAGE.format(task=task_diagram(), run=run_diagram())


_PAGE = """# The states of tasks and runs

Drawn from the transition table (`tidemill.model.transitions`), the only place where states
change; a test keeps this page and the table the same. What is not drawn cannot happen: an
event that a state has no arrow for is a loud error. No arrow leaves an ended state, so a late
or repeated message never undoes a result.

## A task

```mermaid
{task}```

`ready` waits for its turn or, after a failed attempt, for its back-off to end; `queued` is
offered to workers; `running` has been claimed by one. `awaiting_approval` waits for a person
and holds nothing: no worker, no slot, no lease. What a `delegated` task does is done by a run
of its own, of the pipeline that its step names; it ends with that run, and holds no slot
meanwhile. `upstream_failed` did not run because
something it needs failed. `expanded` was `unit[…]`, which stood for the tasks of a fan-out
until its list was known (of an empty list it succeeds, since there is nothing to do). A
result can overtake the news that its attempt started, which is
why `queued` has the same arrows to an end as `running`.

## A run

```mermaid
{run}```
"""
