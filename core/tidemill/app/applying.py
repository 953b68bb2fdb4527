"""Pipelines of the fleet: applying files, and starting runs of what was applied."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tidelang import codec, values
from tidelang.definition import Definition, Schedule
from tidelang.evaluate import Scope, evaluate
from tidelang.params import ParamError, bind
from tidemill.app.calendars import Calendars
from tidemill.app.commits import Commits
from tidemill.app.constants import constant
from tidemill.app.fleet import fleet, writing_store
from tidemill.app.people import this_person
from tidemill.app.plan_file import SavedPlan
from tidemill.app.planning import FilePlan, compared, snapshot
from tidemill.app.triggering import apply_triggers, follow_at_once
from tidemill.clock import SystemClock
from tidemill.engine.create import NewRun, create_run
from tidemill.engine.plans import Plans
from tidemill.engine.rerun import again
from tidemill.engine.reserving import act_at
from tidemill.engine.withdrawing import BEGINNING, withdraw
from tidemill.errors import UsageError
from tidemill.model import causes, schedules
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


@dataclass(frozen=True, slots=True)
class Sources:
    """`paths` are files and folders, as they were named, `files` the files that they stand
    for. Pipelines that were applied from under `paths`, and are there no more, go with
    `prune`."""

    files: tuple[Path, ...]
    paths: tuple[Path, ...] = ()
    prune: bool = False


@dataclass(frozen=True, slots=True)
class _Outcome:
    done: list[Applied]
    plan: FilePlan


class _NotKeptError(Exception):
    """Ends the transaction of a plan, so that nothing of it stays."""

    def __init__(self, outcome: _Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def apply(project: Project, sources: Sources, saved: SavedPlan | None = None) -> list[Applied]:
    """Makes these files' pipelines those of the fleet, all or none of them; where a plan was
    `saved`, only if that is what it says.

    Raises:
        MistakesError: a file has mistakes.
        UsageError: one cannot be read, two have a pipeline of the same name, or the plan is
            stale.
        TidemillError: the database cannot be used.
    """
    work = _work(project, sources)

    def checked(tx: Transaction) -> list[Applied]:
        outcome = work(tx)
        if saved is not None:
            _check(saved, outcome.plan)
        return outcome.done

    done = writing_store(project).transact_now(checked)
    if any(one.next for one in done):
        nudge(project, 0)
    return done


def plan_files(project: Project, sources: Sources) -> FilePlan:
    """What `apply` would do now.

    Raises:
        MistakesError: a file has mistakes.
        UsageError: one cannot be read, or two have a pipeline of the same name.
        TidemillError: the database cannot be used.
    """
    work = _work(project, sources)

    def all_but_commit(tx: Transaction) -> None:
        raise _NotKeptError(work(tx))

    try:
        writing_store(project).transact_now(all_but_commit)
    except _NotKeptError as error:
        return error.outcome.plan
    raise AssertionError("a plan was kept")


def _check(saved: SavedPlan, now: FilePlan) -> None:
    """Done already is as good as done now."""
    again = "`tidemill plan` makes a new one"
    if now.target != saved.target:
        raise UsageError(f"{saved.file} is stale: its files have changed since", again)
    if now.base != saved.base and not now.is_empty:
        raise UsageError(f"{saved.file} is stale: what is applied has changed since", again)


def _work(project: Project, sources: Sources) -> Callable[[Transaction], _Outcome]:
    from tidemill.app.requests import compiled  # the compiler: `trigger` does without

    found = [(file, compiled(file)) for file in sources.files]
    seen: dict[str, Path] = {}
    for file, compilation in found:
        for definition in compilation.definitions:
            if definition.name in seen:
                raise UsageError(
                    f"{file} and {seen[definition.name]} both have a pipeline {definition.name}",
                    "give one of them another name",
                )
            seen[definition.name] = file
    clock, who, commits = SystemClock(), this_person().name, Commits()
    commit = {file: commits.of(file) for file in seen.values()}
    under = [_shown(project, path) for path in sources.paths]
    today = datetime.fromtimestamp(clock.now(), UTC).date()

    def work(tx: Transaction) -> _Outcome:
        tx.lock_pipelines()
        gone = [r for r in tx.pipelines() if r.name not in seen and _is_under(r.file, under)]
        names = [*seen, *(row.name for row in gone)]
        before = snapshot(tx, names)
        now = clock.now()  # others may have had these in hand until they were due
        done: list[Applied] = []
        for file, compilation in found:
            calendars = Calendars(file.absolute().parent, project.root, today)
            for digest, called in compilation.called.items():
                tx.add_definition(digest, called.name, codec.encode(called), now)
            for d in compilation.definitions:
                done.append(apply_definition(tx, d, _shown(project, file), calendars, now, who))
                _note_commit(tx, d.name, commit[file])
        if sources.prune:
            done += [_remove(tx, row, now) for row in gone]
        plan = compared(before, snapshot(tx, names), [] if sources.prune else gone)
        return _Outcome(done, plan)

    return work


def _shown(project: Project, path: Path) -> str:
    return os.path.relpath(path.absolute(), project.root)


def _is_under(file: str, paths: Iterable[str]) -> bool:
    return any(path in {".", file} or file.startswith(f"{path}/") for path in paths)


def _note_commit(tx: Transaction, name: str, commit: str) -> None:
    """The same pipeline may be at another commit by now."""
    row = tx.pipeline(name)
    if row is not None and row.commit != commit:
        tx.save_pipeline(row._replace(commit=commit))


def _remove(tx: Transaction, row: PipelineRow, now: float) -> Applied:
    """Its schedules and triggers go with it; its runs go on, but for those that are yet to come."""
    for schedule in tx.schedules_of(row.name):
        withdraw(tx, schedule, now)
    tx.drop_pipeline(row.name)
    return Applied(row.name, "gone", row.digest, ())


def apply_definition(
    tx: Transaction, definition: Definition, file: str, calendars: Calendars, now: float, who: str
) -> Applied:
    """Makes this the version of its pipeline, with its schedules and triggers."""
    digest = codec.digest(definition)
    tx.add_definition(digest, definition.name, codec.encode(definition), now)
    before = tx.pipeline(definition.name)
    if before is None or (before.digest, before.file) != (digest, file):
        tx.save_pipeline(PipelineRow(definition.name, digest, file, now, who))
    wanted: dict[str, dict[str, Any]] = {}
    for schedule in definition.schedules:
        excluded = calendars.left_out(schedule)
        spec = schedules.spec_of(schedule, _params(definition, schedule), excluded)
        wanted[schedules.identity_of(spec)] = spec
    rows = tx.schedules_of(definition.name)
    at_rest = [row for row in rows if row.paused]
    for row in rows:
        if row.identity not in wanted:
            withdraw(tx, row, now)
            tx.drop_schedule(row.number)
            continue
        spec = wanted.pop(row.identity)
        if spec != row.spec or (before is not None and before.digest != digest):
            # Another run for a time at which one has begun would be its second.
            left = withdraw(tx, row, now, beginning=BEGINNING)
            tx.save_schedules([_changed(left, spec, now)])
    for identity, spec in wanted.items():
        first = schedules.first_after(spec, now)
        later = schedules.offset(spec, definition.name)
        due = None if first is None else first + later
        new = ScheduleRow(0, definition.name, identity, spec, due, act_at(spec, due))
        if at_rest and len(at_rest) == len(rows):  # the pipeline is, so what is new is too
            new = new._replace(act_at=None, paused=True, reason=at_rest[0].reason)
        tx.add_schedule(new)
    apply_triggers(tx, definition, digest)
    change = "new" if before is None else "unchanged" if before.digest == digest else "changed"
    rows = tx.schedules_of(definition.name)
    times = sorted(r.next_due for r in rows if r.next_due is not None and not r.paused)
    return Applied(definition.name, change, digest, tuple(times))


def _changed(row: ScheduleRow, spec: Mapping[str, Any], now: float) -> ScheduleRow:
    """A schedule that was applied before. Where it is due at other times now, its next one is
    found anew; what was missed before is still made up for."""
    if row.next_due is None:
        return row._replace(spec=spec)
    if not schedules.moved(row.spec, spec):
        acts = None if row.paused else act_at(spec, row.next_due)
        return row._replace(spec=spec, act_at=acts)
    nominal = row.next_due - schedules.offset(row.spec, row.pipeline)
    first = schedules.first_after(spec, math.nextafter(min(nominal, now), -math.inf))
    due = None if first is None else first + schedules.offset(spec, row.pipeline)
    acts = None if row.paused else act_at(spec, due)
    return row._replace(spec=spec, next_due=due, act_at=acts)


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
    now, who = SystemClock().now(), this_person().name

    def work(tx: Transaction) -> int:
        row = tx.pipeline(name)
        if row is None:
            raise no_pipeline(name, [row.name for row in tx.pipelines()])
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
            cause=causes.manual(who),
        )
        return _signalled(tx, create_run(tx, new, now), now)

    number = writing_store(project).transact_now(work)
    nudge(project, number)
    return number


def retry(project: Project, number: int) -> int:
    """Makes a run of the fleet that goes on with one that ended badly; its number.

    Raises:
        UsageError: there is nothing to retry.
    """
    now, who = SystemClock().now(), this_person().name

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
            cause=causes.retry(number, who),
        )
        return _signalled(tx, create_run(tx, new, now), now)

    made = writing_store(project).transact_now(work)
    nudge(project, made)
    return made


def nudge(project: Project, run: int) -> bool:
    """Tells the schedulers to look; False if none could be told now."""
    if fleet(project).nats is None:
        return False
    from tidemill.app import reach

    return reach.nudge(project, run)


def _signalled(tx: Transaction, run: RunRow, now: float) -> int:
    tx.signal(run.number)
    follow_at_once(tx, run, now)
    return run.number


def no_pipeline(name: str, known: list[str]) -> UsageError:
    near = get_close_matches(name, known, n=1)
    if near:
        hint = f"did you mean {near[0]}?"
    elif known:
        hint = f"applied are {', '.join(known[:12])}"
    else:
        hint = "none has been applied yet: `tidemill apply FILE` does it"
    return UsageError(f"there is no pipeline {name!r}", hint)
