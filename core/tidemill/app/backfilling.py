"""Asking for backfills: runs for the due times of a span that has passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from tidelang import codec, values
from tidelang.definition import Definition
from tidelang.params import nearest
from tidemill.app.applying import no_pipeline, nudge
from tidemill.app.fleet import writing_store
from tidemill.app.people import this_person
from tidemill.clock import SystemClock
from tidemill.errors import UsageError
from tidemill.model.backfills import nominal_times
from tidemill.model.plan import make_plan
from tidemill.model.rows import BackfillRow, ScheduleRow
from tidemill.ports import Transaction
from tidemill.project import Project

MOST = 100_000
"""Due times of one backfill."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for. `first` and `last` are days or moments as a clock in the
    schedule's time zone shows them, both included; `params` are texts by name."""

    pipeline: str
    first: str
    last: str
    schedule: int | None
    max_parallel: int
    params: Mapping[str, str]


def backfill(project: Project, wish: Wish, *, dry_run: bool) -> tuple[int | None, list[float]]:
    """Its number, and all its due times; with `dry_run` nothing is stored.

    Raises:
        UsageError: there is no such schedule, nothing was due, or the params do not fit.
        TidemillError: the database cannot be used.
    """
    now, who = SystemClock().now(), this_person().name

    def work(tx: Transaction) -> tuple[int | None, list[float]]:
        pipeline = tx.pipeline(wish.pipeline)
        if pipeline is None:
            raise no_pipeline(wish.pipeline, [row.name for row in tx.pipelines()])
        row = _schedule(tx, wish)
        first, last = _span(wish, ZoneInfo(row.spec["timezone"]))
        times = list(islice(nominal_times(row.spec, first, min(last, now)), MOST + 1))
        if not times:
            raise UsageError(
                f"schedule {row.number} of {row.pipeline} was not due from {wish.first} to"
                f" {wish.last}",
                "only times that have passed count",
            )
        if len(times) > MOST:
            raise UsageError(f"these are more than {MOST:,} due times", "ask for a shorter span")
        definition = codec.decode(tx.definition(pipeline.digest))
        params = _params(definition, row, wish.params)
        if dry_run:
            return None, times
        new = BackfillRow(
            0, row.pipeline, row.spec, params, times[0], times[-1], len(times),
            wish.max_parallel, now, who, look_at=now,
        )  # fmt: skip
        return tx.add_backfill(new), times

    done = writing_store(project).transact_now(work)
    if done[0] is not None:
        nudge(project, 0)
    return done


def cancel_backfill(project: Project, number: int) -> int:
    """No more runs are made for it, and those that are open are cancelled; how many.

    Raises:
        UsageError: there is none, or it has ended.
    """

    def work(tx: Transaction) -> int:
        row = next(iter(tx.backfills([number])), None)
        if row is None:
            raise UsageError(
                f"there is no backfill {number}", "`tidemill backfill --list` lists them"
            )
        if row.ended_at is not None:
            raise UsageError(f"backfill {number} has ended")
        going = tx.open_runs_of_backfill(number)
        for run in going:
            tx.signal(run, cancel=True)
        detail = f"cancelled by {this_person().name}"
        tx.save_backfill(row._replace(next_due=None, detail=detail, look_at=SystemClock().now()))
        return len(going)

    done = writing_store(project).transact_now(work)
    nudge(project, 0)
    return done


def _schedule(tx: Transaction, wish: Wish) -> ScheduleRow:
    rows = tx.schedules_of(wish.pipeline)
    if wish.schedule is not None:
        rows = [row for row in rows if row.number == wish.schedule]
    if not rows:
        which = "no schedule" if wish.schedule is None else f"no schedule {wish.schedule}"
        raise UsageError(f"{wish.pipeline} has {which}", "`tidemill schedules` lists those of all")
    if len(rows) > 1:
        numbers = ", ".join(str(row.number) for row in rows)
        raise UsageError(
            f"{wish.pipeline} has {len(rows)} schedules: {numbers}",
            f"say which: --schedule {rows[0].number}",
        )
    return rows[0]


def _span(wish: Wish, zone: ZoneInfo) -> tuple[float, float]:
    first, last = _moment(wish.first, "--from", zone)[0], _moment(wish.last, "--to", zone)[1]
    if last < first:
        raise UsageError("--to is before --from", "name the earlier one with --from")
    return first, last


def _moment(text: str, option: str, zone: ZoneInfo) -> tuple[float, float]:
    """The first and the last moment that a day, or a moment, stands for."""
    try:
        if len(text) == len("2026-01-01"):
            day = datetime.combine(date.fromisoformat(text), datetime.min.time(), zone)
            return day.timestamp(), (day + timedelta(days=1)).timestamp() - 1
        found = datetime.fromisoformat(text)
        found = found if found.tzinfo else found.replace(tzinfo=zone)
        return found.timestamp(), found.timestamp()
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option} {text}: this is no day and no moment",
            f'{option} 2026-01-31, or {option} "2026-01-31 06:00"',
        ) from None


def _params(definition: Definition, row: ScheduleRow, given: Mapping[str, str]) -> dict[str, Any]:
    """Those of the schedule, with what is given over them; as JSON."""
    params = dict(row.spec["params"])
    for name, text in given.items():
        params[name] = _given(definition, name, text)
    bound = {p.name: values.from_json(params[p.name], p.type) for p in definition.params}
    make_plan(definition, bound)  # says what does not fit before anything is stored
    return params


def _given(definition: Definition, name: str, text: str) -> Any:
    known = {param.name: param for param in definition.params}
    if name not in known:
        raise UsageError(f"{definition.name} has no param {name!r}{nearest(name, known)}")
    try:
        return values.to_json(values.parse_text(text, known[name].type))
    except ValueError as error:
        raise UsageError(f"param {name}: {error}") from None
