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
