"""Pipelines of the fleet: applying files, and starting runs of what was applied."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tidelang import codec, values
from tidelang.definition import Definition, Schedule
from tidelang.evaluate import Scope, evaluate
from tidelang.params import ParamError, bind
from tidemill.app.constants import constant
from tidemill.app.fleet import fleet, writing_store
from tidemill.app.people import this_person
from tidemill.clock import SystemClock
from tidemill.engine.create import NewRun, create_run
from tidemill.engine.plans import Plans
from tidemill.engine.rerun import again
from tidemill.errors import UsageError
from tidemill.model import schedules
from tidemill.model.plan import make_plan
from tidemill.model.rows import PipelineRow, RunRow, ScheduleRow
from tidemill.model.states import RunState
from tidemill.ports import Transaction
from tidemill.project import Project


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying has done to a pipeline: `change` is new, changed or unchanged; `next`
    are the times at which its schedules are due next."""

    pipeline: str
    change: str
    digest: str
    next: tuple[float, ...]


def apply(project: Project, files: Iterable[Path]) -> list[Applied]:
    """Makes these files' pipelines those of the fleet, all or none of them.

    Raises:
        MistakesError: a file has mistakes.
        UsageError: one cannot be read, or two have a pipeline of the same name.
        TidemillError: the database cannot be used.
    """
    from tidemill.app.requests import compiled  # the compiler: `trigger` does without

    found = [(file, compiled(file)) for file in files]
    seen: dict[str, Path] = {}
    for file, compilation in found:
        for definition in compilation.definitions:
            if definition.name in seen:
                raise UsageError(
                    f"{file} and {seen[definition.name]} both have a pipeline {definition.name}",
                    "give one of them another name",
                )
            seen[definition.name] = file
    now, who = SystemClock().now(), this_person().name

    def work(tx: Transaction) -> list[Applied]:
        done: list[Applied] = []
        for file, compilation in found:
            for digest, called in compilation.called.items():
                tx.add_definition(digest, called.name, codec.encode(called), now)
            shown = os.path.relpath(file.absolute(), project.root)
            done += [_apply(tx, d, shown, now, who) for d in compilation.definitions]
        return done

    done = writing_store(project).transact_now(work)
    if any(one.next for one in done):
        nudge(project, 0)
    return done


def _apply(tx: Transaction, definition: Definition, file: str, now: float, who: str) -> Applied:
    digest = codec.digest(definition)
    tx.add_definition(digest, definition.name, codec.encode(definition), now)
    before = tx.pipeline(definition.name)
    if before is None or before.digest != digest:
        tx.save_pipeline(PipelineRow(definition.name, digest, file, now, who))
    wanted: dict[str, dict[str, Any]] = {}
    for schedule in definition.schedules:
        spec = schedules.spec_of(schedule, _params(definition, schedule))
        wanted[schedules.identity_of(spec)] = spec
    for row in tx.schedules_of(definition.name):
        if row.identity in wanted:
            tx.save_schedule(row._replace(spec=wanted.pop(row.identity)))
        else:
            tx.drop_schedule(row.number)
    for identity, spec in wanted.items():
        first = schedules.first_after(spec, now)
        later = schedules.offset(spec, definition.name)
        due = None if first is None else first + later
        tx.add_schedule(ScheduleRow(0, definition.name, identity, spec, due, due))
    change = "new" if before is None else "unchanged" if before.digest == digest else "changed"
    rows = tx.schedules_of(definition.name)
    times = sorted(row.next_due for row in rows if row.next_due is not None)
    return Applied(definition.name, change, digest, tuple(times))


def _params(definition: Definition, schedule: Schedule) -> dict[str, Any]:
    """All params of the runs of a schedule, as JSON. The file has been checked."""
    given = {name: evaluate(expr, Scope()) for name, expr in schedule.params}
    found = {}
    for param in definition.params:
        if param.name in given:
            value = given[param.name]
        else:
            value = evaluate(param.default or ("lit", None), Scope())
        found[param.name] = values.to_json(values.conform(value, param.type))
    return found


def trigger(project: Project, name: str, params: Mapping[str, str]) -> int:
    """Starts a run of a pipeline that was applied; its number.

    Raises:
        UsageError: there is no such pipeline, or the params do not fit.
        TidemillError: the database cannot be used.
    """
    now = SystemClock().now()

    def work(tx: Transaction) -> int:
        row = tx.pipeline(name)
        if row is None:
            raise _no_pipeline(name, [row.name for row in tx.pipelines()])
        content = tx.definition(row.digest)
        definition = codec.decode(content)
        try:
            bound = bind(definition, params, constant)
        except ParamError as error:
            raise UsageError("; ".join(error.problems)) from None
        plan = make_plan(definition, bound)
        new = NewRun(
            plan,
            row.digest,
            content,
            row.file,
            chosen=frozenset(range(plan.size)),
            carried={},
            pooled=True,
            told=True,
        )
        return _signalled(tx, create_run(tx, new, now))

    number = writing_store(project).transact_now(work)
    nudge(project, number)
    return number


def retry(project: Project, number: int) -> int:
    """Makes a run of the fleet that goes on with one that ended badly; its number.

    Raises:
        UsageError: there is nothing to retry.
    """
    now = SystemClock().now()

    def work(tx: Transaction) -> int:
        tx.take([number])  # nobody may purge it meanwhile
        row = next(iter(tx.runs([number])), None)
        if row is None or tx.is_condemned(number):
            raise UsageError(f"there is no run {number} any more", "`tidemill runs` lists them")
        if row.root is not None:
            raise UsageError(
                f"run {number} is part of run {row.root}", f"`tidemill retry {row.root}` retries it"
            )
        if not row.state.ended:
            raise UsageError(f"run {number} has not ended", f"`tidemill cancel {number}` ends it")
        if row.state is RunState.SUCCEEDED:
            raise UsageError(f"run {number} succeeded: there is nothing to retry")
        plans = Plans()
        plans.refresh(tx, [row])
        start = again(plans.of(number), row, tx.all_tasks(number))
        new = NewRun(
            plan=start.plan,
            digest=row.digest,
            content=tx.definition(row.digest),
            file=row.file,
            chosen=start.chosen,
            carried=start.carried,
            retry_of=number,
            origin=row.origin or number,
            fresh=row.fresh,
            picked=row.picked,
            pooled=True,
            told=True,
        )
        return _signalled(tx, create_run(tx, new, now))

    made = writing_store(project).transact_now(work)
    nudge(project, made)
    return made


def nudge(project: Project, run: int) -> bool:
    """Tells the schedulers to look; False if none could be told now."""
    if fleet(project).nats is None:
        return False
    from tidemill.app import reach

    return reach.nudge(project, run)


def _signalled(tx: Transaction, run: RunRow) -> int:
    tx.signal(run.number)
    return run.number


def _no_pipeline(name: str, known: list[str]) -> UsageError:
    near = get_close_matches(name, known, n=1)
    if near:
        hint = f"did you mean {near[0]}?"
    elif known:
        hint = f"applied are {', '.join(known[:12])}"
    else:
        hint = "none has been applied yet: `tidemill apply FILE` does it"
    return UsageError(f"there is no pipeline {name!r}", hint)
