"""Late fan-outs: once all that a step needs has ended, its list is worked out and its
tasks are made, in the same transaction; the list is stored, so that everybody who looks
at the run later finds the same tasks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tidelang import values
from tidelang.evaluate import EvaluationError, evaluate
from tidelang.reify import literal
from tidemill.engine.ledger import Ledger
from tidemill.engine.plans import Plans
from tidemill.engine.scopes import Outputs, list_scope
from tidemill.errors import UsageError
from tidemill.model.fan_out import is_key_of
from tidemill.model.plan import PlannedStep, listed
from tidemill.model.rows import ExpansionRow, StageRow, TaskRef, TaskRow
from tidemill.model.states import TaskState
from tidemill.model.transitions import TaskEvent

NOT_SELECTED = "not selected"

_MOST_LISTED = 5


class _NoListError(Exception):
    """Why there are no tasks."""


@dataclass(frozen=True, slots=True)
class FanOut:
    """Works on rows that the ledger holds; the outputs that lists use must be loaded."""

    ledger: Ledger
    plans: Plans
    outputs: Outputs

    def expand(self, stage: StageRow, stand_in: TaskRow) -> PlannedStep:
        """Makes the tasks of a stage; its step as planned now. Where there is no list, the
        stand-in fails and says why."""
        plan = self.plans.of(stage.run)
        step = plan.steps[stage.step]
        try:
            plan = plan.expanded({stage.step: self._items(stage, step)})
            step = plan.steps[stage.step]
            picked = self._picked(stage.run, step)
        except (_NoListError, UsageError) as error:
            self.ledger.move(stand_in, TaskEvent.REFUSE, detail=str(error))
            return self.plans.of(stage.run).steps[stage.step]
        self.plans.replace(stage.run, plan)
        self.ledger.set_run(self.ledger.run(stage.run)._replace(size=plan.size))
        self._store(stage, stand_in, step)
        for instance in step.instances if picked else ():
            task = self.ledger.task(TaskRef(stage.run, instance.ordinal))
            if task is not None and task.key not in picked:
                self.ledger.move(task, TaskEvent.SKIP, detail=NOT_SELECTED)
        return step

    def _items(self, stage: StageRow, step: PlannedStep) -> list[values.Value]:
        plan, run = self.plans.of(stage.run), self.ledger.run(stage.run)
        if step.step.loop is None or step.stand_in is None:
            raise TypeError(f"step {step.step.name} is no late fan-out")
        scope = list_scope(run, plan, step, self.outputs)
        try:
            return listed(step.step, evaluate(step.step.loop.items, scope))
        except EvaluationError as error:
            raise _NoListError(f"the list of `for` has no value: {error}") from None

    def _picked(self, run: int, step: PlannedStep) -> frozenset[str]:
        """The keys that were selected, none where all were."""
        picked = picked_of(self.ledger.run(run).picked, step)
        keys = [instance.key for instance in step.instances]
        missing = sorted(picked.difference(keys))
        if missing:
            more = ", …" if len(keys) > _MOST_LISTED else ""
            there = f"the list gives {', '.join(keys[:_MOST_LISTED])}{more}"
            raise _NoListError(
                f"there is no {missing[0]}: {there if keys else 'the list is empty'}"
            )
        return picked

    def _store(self, stage: StageRow, stand_in: TaskRow, step: PlannedStep) -> None:
        count = len(step.instances)
        items = [literal(item) for item in step.items or ()]
        expansion = ExpansionRow(stage.run, stage.step, step.first, items)
        self.ledger.add_new(
            expansion,
            (
                TaskRow(
                    stage.run,
                    i.ordinal,
                    stage.step,
                    i.key,
                    TaskState.BLOCKED,
                    priority=stand_in.priority,
                    pool=stand_in.pool,
                    limited=stand_in.limited,
                )
                for i in step.instances
            ),
        )
        if not count:
            self.ledger.move(stand_in, TaskEvent.SUCCEED, detail="its list is empty")
            return
        self.ledger.set_stage(stage._replace(open=stage.open + count, tasks=count))
        self.ledger.move(stand_in, TaskEvent.EXPAND, detail=tasks_in_words(count))


def picked_of(keys: Iterable[str], step: PlannedStep) -> frozenset[str]:
    """Those that name instances of this step."""
    return frozenset(key for key in keys if step.stand_in and is_key_of(key, step.step.name))


def tasks_in_words(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"
