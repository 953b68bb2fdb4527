"""What must be true of all that a fleet has done, once everything has healed and ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from chaos_timed import HEARS, TIMED, Timed
from chaos_work import ENDED, PEOPLE, Work

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
('blocked', 'ready', 'queued', 'reserved', 'running', 'delegated', 'awaiting_approval')
"""
FOLLOWED = """
SELECT one.number, count(other.number) FROM run one LEFT JOIN run other
ON other.pipeline = '{}' AND (other.cause->>'run')::int = one.number
WHERE one.pipeline = '{}' GROUP BY one.number HAVING count(other.number) <> 1
"""
STARTED_OTHERWISE = """
SELECT number, cause FROM run WHERE pipeline = '{}' AND cause->>'kind' <> 'pipeline'
"""
SCHEDULES = """
SELECT schedule.pipeline, pipeline.applied_at, next_due, missed FROM schedule
JOIN pipeline ON pipeline.name = schedule.pipeline
"""
MISSED = "SELECT pipeline, missed FROM schedule WHERE missed > 0 ORDER BY pipeline"
OUTCOMES = "SELECT outcome, count(*) FROM attempt GROUP BY outcome ORDER BY outcome"
REFUSED = """
SELECT data->>'what', count(*) FROM outbox WHERE kind = 'refused' GROUP BY 1 ORDER BY 1
"""


def problems(fleet: Fleet, work: Work, lost: Collection[float]) -> Iterator[str]:
    """Broken promises that concern more than one run. `lost` are the times at which NATS lost
    all that it had."""
    for row in fleet.query(TWICE):
        yield f"completed twice: {row}"
    for row in fleet.query(ENDED_TWICE):
        yield f"ended twice: {row}"
    for row in fleet.query(OPEN_TASKS):
        yield f"its run has ended, and it has not: {row}"
    yield from _lost_runs(fleet, work)
    for name, applied_at, next_due, missed in fleet.query(SCHEDULES):
        due = [float(str(at)) for (at,) in fleet.query(_due_times(str(name)))]
        span = (float(str(applied_at)), float(str(next_due)))
        yield from schedule_problems(str(name), TIMED[str(name)], due, span, int(str(missed)))
    for name, source in HEARS.items():
        for run, count in fleet.query(FOLLOWED.format(name, source)):
            yield f"the end of run {run} of {source} started {count} of {name}"
        for row in fleet.query(STARTED_OTHERWISE.format(name)):
            yield f"a run of {name} was started otherwise: {row}"
    yield from work.news.problems(news(fleet), lost)


def _lost_runs(fleet: Fleet, work: Work) -> Iterator[str]:
    asked = f"SELECT number, pipeline FROM run WHERE {PEOPLE}"
    there = {int(str(number)): str(name) for number, name in fleet.query(asked)}
    for number, name in work.runs.items():
        if there.get(number) != name:
            yield f"run {number} of {name} was acknowledged, and is {there.get(number)}"
    unasked = len(there) - len(work.runs)
    if not 0 <= unasked <= work.in_doubt:
        yield f"{unasked} runs more than were acknowledged, and {work.in_doubt} were in doubt"


def _due_times(pipeline: str) -> str:
    """Of the runs of its schedule; what was made ahead and taken back does not count."""
    found = f"SELECT due_at FROM run WHERE pipeline = '{pipeline}'"
    return f"{found} AND schedule IS NOT NULL ORDER BY due_at"


def schedule_problems(
    name: str, timed: Timed, due: list[float], span: tuple[float, float], missed: int
) -> Iterator[str]:
    """Exactly one run for each time from the first to the next one that is due; only where a
    time may be skipped it may have none, and then it is counted. So are the last ones, if nobody
    had dealt with them yet when the schedule was paused. `due` are the times of runs,
    `span` is from when it was applied to when it is due next."""
    wanted, at = [], (span[0] // timed.every + 1) * timed.every
    while at < span[1]:
        wanted.append(at)
        at += timed.every
    for moment, count in Counter(due).items():
        if count > 1:
            yield f"{name} has {count} runs for {moment}"
    if strange := sorted(set(due) - set(wanted)):
        yield f"{name} has runs for {strange}, when it was not due"
    left_out = sorted(set(wanted) - set(due))
    if len(left_out) != missed:
        yield f"{name} has no run for {left_out}, and counts {missed} as missed"
    elif timed.overlap != "skip" and left_out != wanted[len(wanted) - len(left_out) :]:
        yield f"{name} has no run for {left_out}, and may skip none"
    if not due:
        yield f"{name} never had a run"


def news(fleet: Fleet) -> Counter[str]:
    """The runs that events have started, by the event's key."""
    found = fleet.query("SELECT params->>'k' FROM run WHERE pipeline = 'news'")
    return Counter(str(key) for (key,) in found)


def behind(fleet: Fleet) -> list[tuple[object, ...]]:
    """Schedules that have not caught up."""
    asked = "SELECT pipeline, next_due FROM schedule"
    return fleet.query(f"{asked} WHERE next_due < extract(epoch FROM now()) - 1")


def open_runs(fleet: Fleet) -> list[tuple[object, ...]]:
    """Those that have not ended."""
    return fleet.query(f"SELECT number, pipeline, state FROM run WHERE NOT ({ENDED})")
