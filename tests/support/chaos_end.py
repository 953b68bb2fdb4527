"""What must be true of all that a fleet has done, once everything has healed and ended."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from chaos_shapes import EVERY
from chaos_work import ENDED, Work

from fleet import Fleet

TWICE = """
SELECT run, ordinal, count(*) FROM attempt WHERE outcome = 'exited' AND exit_code = 0
GROUP BY run, ordinal HAVING count(*) > 1
"""
ENDED_TWICE = """
SELECT run, ordinal, count(*) FROM outbox
WHERE kind = 'task' AND data->>'state' IN ('succeeded', 'failed', 'cancelled', 'lost', 'timed_out')
GROUP BY run, ordinal HAVING count(*) > 1
"""
OPEN_TASKS = """
SELECT task.run, task.key, task.state FROM task JOIN run ON run.number = task.run
WHERE run.ended_at IS NOT NULL AND task.state IN
('blocked', 'ready', 'queued', 'running', 'delegated', 'awaiting_approval')
"""
OUTCOMES = "SELECT outcome, count(*) FROM attempt GROUP BY outcome ORDER BY outcome"
REFUSED = """
SELECT data->>'what', count(*) FROM outbox WHERE kind = 'refused' GROUP BY 1 ORDER BY 1
"""


def problems(fleet: Fleet, work: Work) -> Iterator[str]:
    """Broken promises that concern more than one run."""
    for row in fleet.query(TWICE):
        yield f"completed twice: {row}"
    for row in fleet.query(ENDED_TWICE):
        yield f"ended twice: {row}"
    for row in fleet.query(OPEN_TASKS):
        yield f"its run has ended, and it has not: {row}"
    yield from _lost_runs(fleet, work)
    yield from _schedule(fleet)


def _lost_runs(fleet: Fleet, work: Work) -> Iterator[str]:
    asked = "SELECT number, pipeline FROM run WHERE schedule IS NULL AND parent IS NULL"
    there = {int(str(number)): str(name) for number, name in fleet.query(asked)}
    for number, name in work.runs.items():
        if there.get(number) != name:
            yield f"run {number} of {name} was acknowledged, and is {there.get(number)}"
    unasked = len(there) - len(work.runs)
    if not 0 <= unasked <= work.in_doubt:
        yield f"{unasked} runs more than were acknowledged, and {work.in_doubt} were in doubt"


def _schedule(fleet: Fleet) -> Iterator[str]:
    """Exactly one run for each time that was due (catchup = all)."""
    asked = "SELECT due_at FROM run WHERE schedule IS NOT NULL ORDER BY due_at"
    due = [float(str(at)) for (at,) in fleet.query(asked)]
    for before, after in itertools.pairwise(due):
        if after - before != EVERY:
            yield f"the schedule was due at {before} and {after}, and {EVERY:g} s lie between"
    ((now, due_next),) = fleet.query("SELECT extract(epoch FROM now()), next_due FROM schedule")
    if not due:
        yield "the schedule never fired"
    elif float(str(due_next)) - due[-1] != EVERY or float(str(due_next)) < float(str(now)) - EVERY:
        yield f"the schedule fired last at {due[-1]}; it is {now}, and it is due at {due_next}"


def open_runs(fleet: Fleet) -> list[tuple[object, ...]]:
    """Those that have not ended. The schedule's last ones are always about to."""
    asked = f"SELECT number, pipeline, state FROM run WHERE NOT ({ENDED})"
    return fleet.query(f"{asked} AND (due_at IS NULL OR due_at < extract(epoch FROM now()) - 5)")
