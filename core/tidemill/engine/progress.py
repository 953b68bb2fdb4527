"""How a run goes on when tasks have ended: stages close, what waited on them is freed,
skipped or given up, and at last the run ends.

A stage closes once all that it needs has closed and all its tasks have ended. Works on
the rows in a ledger; what is missing there is read, a level of the graph at a time, or
all at once where a cascade goes deep.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tidelang import values
from tidelang.definition import Approval
from tidelang.evaluate import EvaluationError, evaluate
from tidemill.engine.deadlines import watch_task
from tidemill.engine.fan_out import FanOut
from tidemill.engine.ledger import FAILED_STATES, Ledger
from tidemill.engine.plans import Plans
from tidemill.engine.scopes import Outputs, Stored, read_refs, stage_state, task_scope
from tidemill.engine.standing import Standing
from tidemill.model.plan import PlannedStep
from tidemill.model.rows import StageRef, StageRow, TaskRef, TaskRow
from tidemill.model.states import RunState, TaskState
from tidemill.model.transitions import RunEvent, TaskEvent
from tidemill.ports import Turn

_ALWAYS = ("lit", True)

_DEEP = 4
"""Levels of a cascade that are read one by one before the whole run is read."""


@dataclass(frozen=True, slots=True)
class Progress:
    """`plans` holds the plans of all runs that are looked at, whose rows `tx` reads; `standing`
    says where in line those stand that may run."""

    ledger: Ledger
    plans: Plans
    outputs: Outputs
    tx: Turn
    standing: Standing

    def settle(self) -> None:
        """Follows up on everything that has ended, until nothing more follows."""
        self._follow(self._close())

    def begin(self) -> None:
        """For runs that are being made, whose rows the ledger holds: frees what waits
        for nothing, and follows up."""
        roots = [stage for stage in self.ledger.stages() if not stage.waiting_on]
        self._follow(self._release(roots))

    def _follow(self, closed: Sequence[StageRow]) -> None:
        depth = 0
        while closed:
            depth += 1
            if depth == _DEEP:
                self._read_whole({stage.run for stage in closed})
            self._count(closed)
            closed = self._release(self._free(closed))

    def _close(self) -> list[StageRow]:
        """Books the tasks that have ended; the stages that closed by it."""
        ended, self.ledger.ended = self.ledger.ended, []
        if not ended:
            return []
        by_stage: dict[StageRef, list[TaskRow]] = {}
        for task in ended:
            by_stage.setdefault(StageRef(task.run, task.step), []).append(task)
        self._read_around(by_stage)
        closed = []
        for ref, tasks in by_stage.items():
            stage = _booked(self.ledger.stage(ref), tasks)
            self.ledger.set_stage(stage)
            if not stage.open and not stage.waiting_on:
                closed.append(stage)
            if self.plans.of(ref.run).steps[ref.step].step.deadline is not None:
                self.ledger.hushed.extend(task.ref for task in tasks)
        return closed

    def _free(self, closed: Sequence[StageRow]) -> list[StageRow]:
        """Tells what needs these stages; those that wait for nothing any more."""
        told = Counter(
            StageRef(stage.run, dependent)
            for stage in closed
            for dependent in self.plans.of(stage.run).steps[stage.step].dependents
        )
        if self.ledger.missing_stages(self._asked_of(told)):
            self._read_around(told)
        freed = []
        for ref, count in told.items():
            stage = self.ledger.stage(ref)
            stage = stage._replace(waiting_on=stage.waiting_on - count)
            self.ledger.set_stage(stage)
            if not stage.waiting_on:
                freed.append(stage)
        return freed

    def _release(self, freed: Sequence[StageRow]) -> list[StageRow]:
        """Decides on the tasks of stages that wait for nothing; those that close now."""
        if not freed:
            return []
        empty = [stage for stage in freed if not stage.open]
        plans = {stage.ref: self.plans.of(stage.run).steps[stage.step] for stage in freed}
        self._read_tasks([stage for stage in freed if stage.open])
        names = {self.plans.of(stage.run).definition.name for stage in freed if stage.open}
        self.standing.durations.load(self.tx, names, self.ledger.now)
        self._read_runs(stage.run for stage in freed)
        self._read_inputs(plans)
        for stage in freed:
            if stage.open:
                self._decide(stage, plans[stage.ref])
        return empty + self._close()

    def _decide(self, stage: StageRow, step: PlannedStep) -> None:
        """Lets the blocked tasks of a freed stage run, or says why they do not."""
        states = self._states(stage.run, step)
        verdict = None if step.step.when_decides else self._verdict(stage.run, step)
        if verdict is None and step.unknown:
            step = self._expand(stage, step, states)
        for instance in step.rows:
            task = self.ledger.task(TaskRef(stage.run, instance.ordinal))
            if task is None or task.state is not TaskState.BLOCKED:
                continue
            if verdict is not None:
                self.ledger.move(task, verdict[0], detail=verdict[1])
            elif step.step.when is None or self._wanted(task, step, states):
                self._unblock(task, step)

    def _expand(self, stage: StageRow, step: PlannedStep, states: dict[str, str]) -> PlannedStep:
        """Has the list of a late fan-out worked out, unless its `when` lets no task of it
        run whatever stands in the list."""
        (waiting,) = step.counted
        task = self.ledger.task(TaskRef(stage.run, waiting.ordinal))
        if task is None or task.state is not TaskState.BLOCKED:
            return step
        if step.asks_once and not self._wanted(task, step, states):
            return step
        return FanOut(self.ledger, self.plans, self.outputs).expand(stage, task)

    def _wanted(self, task: TaskRow, step: PlannedStep, states: dict[str, str]) -> bool:
        """Whether `when` lets it run; where not, it is skipped, or fails for want of a
        value."""
        plan, run = self.plans.of(task.run), self.ledger.run(task.run)
        instance = step.instance(task.ordinal)
        scope = task_scope(run, plan, step, instance, self.outputs, states=states)
        try:
            wanted = bool(evaluate(step.step.when or _ALWAYS, scope))
        except EvaluationError as error:
            self.ledger.move(task, TaskEvent.REFUSE, detail=f"`when` has no value: {error}")
            return False
        if not wanted:
            self.ledger.move(task, TaskEvent.SKIP, detail="`when` is false")
        return wanted

    def _unblock(self, task: TaskRow, step: PlannedStep) -> None:
        """It may run. What asks people does so at once: it waits for no slot."""
        action = step.step.action
        if isinstance(action, Approval):
            self._ask_people(task, step, action)
        else:
            run, plan = self.ledger.run(task.run), self.plans.of(task.run)
            stands = self.standing.stand(self.tx, task, run, plan, self.ledger.now)
            self.ledger.move(task, TaskEvent.UNBLOCK, **stands)
            watch_task(self.ledger, task, step)

    def _ask_people(self, task: TaskRow, step: PlannedStep, action: Approval) -> None:
        plan, run, now = self.plans.of(task.run), self.ledger.run(task.run), self.ledger.now
        scope = task_scope(run, plan, step, step.instance(task.ordinal), self.outputs)
        try:
            prompt = values.to_text(evaluate(action.prompt, scope))
        except EvaluationError as error:
            detail = f"`prompt` has no value: {error}"
            self.ledger.move(task, TaskEvent.REFUSE, detail=detail)
            return
        until = None if action.timeout is None else now + action.timeout / 1000
        task = self.ledger.move(task, TaskEvent.UNBLOCK)
        self.ledger.move(task, TaskEvent.ASK, wait_until=until, started_at=now, detail=prompt)
        self.ledger.record(
            "approval_needed", task.run, task.ordinal, prompt=prompt, by=action.by, until=until
        )

    def _states(self, run: int, step: PlannedStep) -> dict[str, str]:
        steps = self.plans.of(run).steps
        return {
            steps[need].step.name: stage_state(self.ledger.stage(StageRef(run, need)))
            for need in step.needs
        }

    def _verdict(self, run: int, step: PlannedStep) -> tuple[TaskEvent, str] | None:
        """What the states of the needed steps decide, where `when` does not."""
        skipped = ""
        for need in step.needs:
            needed = self.plans.of(run).steps[need].step
            state = stage_state(self.ledger.stage(StageRef(run, need)))
            if state == "upstream_failed" or (state == "failed" and not needed.allow_failure):
                word = "failed" if state == "failed" else "did not run"
                return TaskEvent.FAIL_UPSTREAM, f"{needed.name} {word}"
            if state == "skipped":
                skipped = skipped or f"{needed.name} was skipped"
        return (TaskEvent.SKIP, skipped) if skipped else None

    def _count(self, closed: Sequence[StageRow]) -> None:
        """Books closed stages on their runs, and ends those that are through."""
        by_run: dict[int, list[StageRow]] = {}
        for stage in closed:
            by_run.setdefault(stage.run, []).append(stage)
        self._read_runs(by_run)
        for number, stages in by_run.items():
            steps = self.plans.of(number).steps
            failed = sum(1 for s in stages if s.failed and not steps[s.step].step.allow_failure)
            run = self.ledger.run(number)
            run = run._replace(open=run.open - len(stages), failed=run.failed + failed)
            self.ledger.set_run(run)
            if not run.open:
                self._end_run(number)

    def _end_run(self, number: int) -> None:
        run = self.ledger.run(number)
        if run.state is RunState.PENDING:  # it was all decided when it was made
            run = self.ledger.move_run(number, RunEvent.START, started_at=self.ledger.now)
        self.ledger.move_run(number, _last_event(run.state, run.failed))

    # reading what is missing

    def _asked_of(self, freed: Iterable[StageRef]) -> list[StageRef]:
        """What deciding on these stages asks for: themselves, and what they need."""
        wanted = list(freed)
        for run, index in list(wanted):
            wanted += [StageRef(run, need) for need in self.plans.of(run).steps[index].needs]
        return wanted

    def _read_around(self, refs: Iterable[StageRef]) -> None:
        missing = self.ledger.missing_stages(around(refs, self.plans))
        if missing:
            self.ledger.add_stages(self.tx.stages(missing))

    def _read_tasks(self, stages: Sequence[StageRow]) -> None:
        missing = [stage.ref for stage in stages if self._first_task(stage) is None]
        if missing:
            self.ledger.add_tasks(self.tx.tasks_of(missing))

    def _first_task(self, stage: StageRow) -> TaskRow | None:
        step = self.plans.of(stage.run).steps[stage.step]
        return self.ledger.task(TaskRef(stage.run, step.counted[0].ordinal))

    def _read_inputs(self, plans: Mapping[StageRef, PlannedStep]) -> None:
        """The outputs that the `when`, the prompts and the lists of these steps read, and
        the runs they are of."""
        asking = {ref: step for ref, step in plans.items() if _decides_here(step)}
        self._read_runs(ref.run for ref in asking)
        refs = [read for ref, step in asking.items() for read in read_refs(ref.run, step)]
        self.outputs.load(refs, self.stored_outputs)

    def stored_outputs(self, refs: list[StageRef]) -> dict[StageRef, Stored]:
        """What is stored of these stages, and what this very transaction will store."""
        found = self.tx.outputs(refs)
        wanted = set(refs)
        for ref, task in self.ledger.changed.items():
            stage = StageRef(task.run, task.step)
            if task.outputs is not None and stage in wanted:
                found.setdefault(stage, {})[ref] = task.outputs
        return found

    def _read_runs(self, numbers: Iterable[int]) -> None:
        missing = self.ledger.missing_runs(numbers)
        if missing:
            self.ledger.add_runs(self.tx.runs(missing))

    def _read_whole(self, runs: Iterable[int]) -> None:
        for run in runs:
            self.ledger.add_stages(self.tx.stages_of(run))
            self.ledger.add_tasks(self.tx.open_tasks(run))


def around(refs: Iterable[StageRef], plans: Plans) -> dict[StageRef, None]:
    """The stages, what needs them, and what that needs: all that a step further can ask
    for."""
    wanted: dict[StageRef, None] = dict.fromkeys(refs)
    for run, index in list(wanted):
        steps = plans.of(run).steps
        for dependent in steps[index].dependents:
            wanted[StageRef(run, dependent)] = None
            wanted.update((StageRef(run, need), None) for need in steps[dependent].needs)
        wanted.update((StageRef(run, need), None) for need in steps[index].needs)
    return wanted


def _decides_here(step: PlannedStep) -> bool:
    """Whether an expression of it is worked out when it is freed, not when it is offered."""
    action, when = step.step.action, step.step.when
    return when is not None or step.unknown or isinstance(action, Approval)


def _booked(stage: StageRow, tasks: Sequence[TaskRow]) -> StageRow:
    """The stage after these of its tasks have ended."""
    states = Counter(task.state for task in tasks)
    return stage._replace(
        open=stage.open - len(tasks),
        failed=stage.failed + sum(states[state] for state in FAILED_STATES),
        skipped=stage.skipped + states[TaskState.SKIPPED],
        unmet=stage.unmet + states[TaskState.UPSTREAM_FAILED],
    )


def _last_event(state: RunState, failed: int) -> RunEvent:
    if state is RunState.CANCELLING:
        return RunEvent.END_CANCELLED
    return RunEvent.FAIL if failed else RunEvent.SUCCEED
