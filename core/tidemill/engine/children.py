"""Pipelines as steps: the work of such a step's task is a run of its own, its child.

The child is made in the transaction that hands the task over to it, and the task ends in
the one that ends the child, so neither is ever without the other, whoever dies when. A
child that is tried again keeps what succeeded in it, as a retried run does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidelang import codec, values
from tidelang.definition import Definition, Step, Subrun
from tidelang.evaluate import EvaluationError, Scope, evaluate
from tidemill.engine.booking import GRACE, Booking
from tidemill.engine.create import Made, NewRun, create_runs
from tidemill.engine.deadlines import know_stopping
from tidemill.engine.ledger import Ledger
from tidemill.engine.plans import Plans, plan_of
from tidemill.engine.progress import Progress
from tidemill.engine.rerun import again
from tidemill.engine.scopes import task_scope
from tidemill.engine.standing import is_gated
from tidemill.errors import UsageError
from tidemill.model.plan import make_plan
from tidemill.model.rows import RunRow, TaskRef, TaskRow
from tidemill.model.states import RunState, TaskState
from tidemill.model.transitions import RunEvent, TaskEvent

_RETRIED = frozenset({RunState.FAILED, RunState.CANCELLED})


class _NoChildError(Exception):
    """Why the run cannot be made."""


@dataclass(frozen=True, slots=True)
class Children:
    """Works on the rows that `progress` works on."""

    progress: Progress
    booking: Booking

    @property
    def ledger(self) -> Ledger:
        return self.progress.ledger

    @property
    def plans(self) -> Plans:
        return self.progress.plans

    # beginning

    def begin(self, task: TaskRow) -> bool:
        """Hands a ready task over to a new run; where that cannot be made, the task has
        failed, and says why. The outputs that its arguments use must be loaded."""
        now, step = self.ledger.now, self.plans.of(task.run).steps[task.step].step
        try:
            new = self._new(task, step)
        except (_NoChildError, UsageError) as error:
            self.ledger.move(task, TaskEvent.REFUSE, detail=str(error))
            return False
        (made,) = self.make([new], now)
        child = made.run
        self.ledger.move(
            task,
            TaskEvent.DELEGATE,
            wait_until=None if step.timeout is None else now + step.timeout / 1000,
            started_at=now,
            child=child.number,
            detail=f"run {child.number}",
        )
        if child.state is RunState.PENDING and not is_gated(child, new.plan):
            self.ledger.move_run(child.number, RunEvent.START, started_at=now)
        return True

    def make(self, news: Sequence[NewRun], now: float) -> list[Made]:
        """Stores runs, for the turn that is under way to go on with."""
        found = create_runs(self.progress.tx, news, now, self.progress.standing)
        for made in found:
            self.plans.replace(made.run.number, made.plan)
            self.ledger.add_made(made.run, made.tasks)
        return found

    def _new(self, task: TaskRow, step: Step) -> NewRun:
        tx, run = self.progress.tx, self.ledger.run(task.run)
        if not isinstance(step.action, Subrun):
            raise TypeError(f"step {step.name} runs no pipeline")
        digest = step.action.digest
        content = tx.definition(digest)
        definition = codec.decode(content)
        params = self._params(task, step.action, definition)
        common: dict[str, Any] = {
            "digest": digest,
            "content": content,
            "file": run.file,
            "fresh": run.fresh,
            "parent": task.ref,
            "root": run.family,
            "pooled": task.pool is not None,
            "told": run.told,
            "raised": run.raised,
        }
        before = self._before(run, task)
        if before is not None and before.state in _RETRIED and _same(before, digest, params):
            plan = plan_of(before, content, tx.expansions([before.number]))
            start = again(plan, before, tx.all_tasks(before.number))
            return NewRun(
                start.plan,
                chosen=start.chosen,
                carried=start.carried,
                retry_of=before.number,
                origin=before.origin or before.number,
                picked=before.picked,
                **common,
            )
        plan = make_plan(definition, params)
        return NewRun(plan, chosen=frozenset(range(plan.size)), carried={}, **common)

    def _params(
        self, task: TaskRow, action: Subrun, definition: Definition
    ) -> dict[str, values.Value]:
        run, plan = self.ledger.run(task.run), self.plans.of(task.run)
        step = plan.steps[task.step]
        instance = step.instance(task.ordinal)
        scope = task_scope(run, plan, step, instance, self.progress.outputs)
        given = dict(action.params)
        found: dict[str, values.Value] = {}
        for param in definition.params:
            expr, where = given.get(param.name), scope
            if expr is None:
                expr, where = param.default or ("lit", None), Scope()
            try:
                found[param.name] = values.conform(evaluate(expr, where), param.type)
            except (EvaluationError, ValueError) as error:
                raise _NoChildError(f"param {param.name} of {action.pipeline}: {error}") from None
        return found

    def _before(self, run: RunRow, task: TaskRow) -> RunRow | None:
        """The run that did this work last, in this run or in one that this one retries."""
        tx, child, earlier = self.progress.tx, task.child, run.retry_of
        while child is None and earlier is not None:
            child = tx.child(earlier, task.key)
            (row,) = tx.runs([earlier])
            earlier = row.retry_of
        return None if child is None else tx.runs([child])[0]

    # ending

    def settle(self) -> None:
        """Follows up on everything that has ended, until nothing more follows."""
        self.progress.settle()
        while self.ledger.ended_children:
            self._book()
            self.progress.settle()

    def _book(self) -> None:
        """Ends the tasks whose runs have ended."""
        ended, self.ledger.ended_children = self.ledger.ended_children, []
        by_parent = {
            TaskRef(run.parent, run.parent_task): run
            for run in ended
            if run.parent is not None and run.parent_task is not None
        }
        tx = self.progress.tx
        self.ledger.add_tasks(tx.tasks(by_parent))
        runs = {ref.run for ref in by_parent}
        missing = self.ledger.missing_runs(runs)
        if missing:
            self.ledger.add_runs(tx.runs(missing))
        self.plans.refresh(tx, [self.ledger.run(number) for number in runs])
        know_stopping(self.ledger, self.plans, tx, by_parent)
        for ref, child in by_parent.items():
            task = self.ledger.task(ref)
            if task is not None and task.child == child.number and not task.state.ended:
                self.booking.child_ended(task, child)

    def cancel(self, tasks: Iterable[TaskRow], grace: float = GRACE) -> None:
        """Cancels the runs that these tasks were handed over to, and those below them."""
        tx = self.progress.tx
        while numbers := [
            task.child
            for task in tasks
            if task.state is TaskState.DELEGATED and task.child is not None
        ]:
            self.ledger.add_runs(tx.runs(numbers))
            self.plans.refresh(tx, [self.ledger.run(number) for number in numbers])
            below: list[TaskRow] = []
            for number in numbers:
                if self.ledger.run(number).state in {RunState.PENDING, RunState.RUNNING}:
                    self.ledger.move_run(number, RunEvent.CANCEL)
                below += self.ledger.newest(tx.open_tasks(number))
            self.booking.cancel(below, grace)
            tasks = below


def _same(before: RunRow, digest: str, params: Mapping[str, values.Value]) -> bool:
    """Whether that run was asked for the same as this one is."""
    wanted = {name: values.to_json(value) for name, value in params.items()}
    return before.digest == digest and dict(before.params) == wanted
