"""Chooses what is offered to workers: as much as they can take plus a small buffer, in
the order of dispatch, within the limits of fan-outs and pipelines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tidelang.definition import Subrun
from tidemill.engine.children import Children
from tidemill.engine.ledger import Ledger
from tidemill.engine.orders import OrderError, make_order
from tidemill.engine.plans import Plans
from tidemill.engine.scopes import Outputs, read_refs
from tidemill.model.messages import Order
from tidemill.model.rows import StageRef, TaskRow
from tidemill.model.states import RunState
from tidemill.model.transitions import TaskEvent
from tidemill.ports import Turn


@dataclass(slots=True)
class Dispatch:
    """Fills up to `capacity` offers, and hands over to runs of their own the tasks that
    run pipelines: these take no worker, but count in the limits."""

    children: Children
    capacity: int
    orders: list[Order] = field(default_factory=list)
    at_most_once: bool = False
    """Whether an order is for a step that must never be started twice."""

    @property
    def ledger(self) -> Ledger:
        return self.children.ledger

    @property
    def plans(self) -> Plans:
        return self.children.plans

    @property
    def outputs(self) -> Outputs:
        return self.children.progress.outputs

    @property
    def tx(self) -> Turn:
        return self.children.progress.tx

    def fill(self) -> None:
        self.ledger.flush(self.tx)
        active = Counter(self.tx.active())
        self.plans.load(self.tx, {ref.run for ref in active})
        free = self.capacity
        free -= sum(count for ref, count in active.items() if not self._is_subrun(ref))
        by_run = Counter[int]()
        for ref, count in active.items():
            by_run[ref.run] += count
        passed_over = True
        while free > 0 and passed_over:
            passed_over = False
            for task in self._candidates(free, active, by_run):
                ref = StageRef(task.run, task.step)
                if self._stage_full(ref, active[ref]) or self._run_full(task.run, by_run[task.run]):
                    passed_over = True  # there may be others behind it
                elif self._is_subrun(ref):
                    begun = self._begin(task)
                    active[ref] += begun
                    by_run[task.run] += begun
                    passed_over = passed_over or begun
                elif self._offer(task):
                    active[ref] += 1
                    by_run[task.run] += 1
                    free -= 1
            self.ledger.flush(self.tx)

    def _candidates(
        self, limit: int, active: Counter[StageRef], by_run: Counter[int]
    ) -> list[TaskRow]:
        full = [ref for ref, count in active.items() if self._stage_full(ref, count)]
        full_runs = [run for run, count in by_run.items() if self._run_full(run, count)]
        tasks = self.tx.ready(self.ledger.now, limit, full, full_runs)
        self._read(tasks)
        return tasks

    def _read(self, tasks: list[TaskRow]) -> None:
        runs = {task.run for task in tasks}
        missing = self.ledger.missing_runs(runs)
        if missing:
            self.ledger.add_runs(self.tx.runs(missing))
        self.plans.refresh(self.tx, [self.ledger.run(run) for run in runs])
        self.ledger.add_tasks(tasks)
        stages = {StageRef(task.run, task.step) for task in tasks}
        wanted = [
            ref for run, step in stages for ref in read_refs(run, self.plans.of(run).steps[step])
        ]
        self.outputs.load(wanted, self.tx.outputs)

    def _is_subrun(self, ref: StageRef) -> bool:
        return isinstance(self.plans.of(ref.run).steps[ref.step].step.action, Subrun)

    def _begin(self, task: TaskRow) -> bool:
        running = self.ledger.run(task.run).state is RunState.RUNNING
        return running and self.children.begin(task)

    def _offer(self, task: TaskRow) -> bool:
        run = self.ledger.run(task.run)
        if run.state is not RunState.RUNNING:
            return False
        offered = self.ledger.move(task, TaskEvent.DISPATCH)
        try:
            order = make_order(run, self.plans.of(task.run), offered, self.outputs)
        except OrderError as error:
            self.ledger.move(offered, TaskEvent.REFUSE, detail=str(error))
            return False
        self.orders.append(order)
        if not self.plans.of(task.run).steps[task.step].step.idempotent:
            self.at_most_once = True
        return True

    def _stage_full(self, ref: StageRef, count: int) -> bool:
        limit = self.plans.of(ref.run).steps[ref.step].step.max_parallel
        return limit is not None and count >= limit

    def _run_full(self, run: int, count: int) -> bool:
        limit = self.plans.of(run).definition.max_parallel
        return limit is not None and count >= limit
