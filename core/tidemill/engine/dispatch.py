"""Chooses what is offered to workers: as much as they can take plus a small buffer, in
the order of dispatch, within the limits of fan-outs and pipelines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from tidelang.definition import Subrun
from tidemill.engine.children import Children
from tidemill.engine.ledger import Ledger
from tidemill.engine.orders import POOL, OrderError, make_order
from tidemill.engine.placing import Places
from tidemill.engine.plans import Plans
from tidemill.engine.policing import described
from tidemill.engine.reserving import as_it_will_be, is_ahead, started_at
from tidemill.engine.roster import Capacity
from tidemill.engine.scopes import Outputs, read_refs
from tidemill.engine.standing import Standing
from tidemill.model.line import aged, rank_of
from tidemill.model.messages import Order
from tidemill.model.pools import LONG, SHORT
from tidemill.model.rows import NO_WORKER, AtWork, Queue, RunRow, StageRef, TaskRow
from tidemill.model.states import RunState
from tidemill.model.transitions import RunEvent, TaskEvent
from tidemill.model.unplaceable import PREFIX
from tidemill.ports import Policy, Turn

MOST_BEGUN = 100
"""Runs that are begun in a turn, at most: making one takes milliseconds, in which nobody
is heard."""

SOON = 1.0
"""Seconds that a step takes at most of which many are offered ahead."""


@dataclass(slots=True)
class Dispatch:
    """Fills each pool up to its `capacity`, and hands over to runs of their own the
    tasks that run pipelines: these take no worker, but count in the limits."""

    children: Children
    capacity: Mapping[str, Capacity]
    pooled: bool
    """Whether steps go to their pools; else there is but one, for all of them."""
    epoch: str
    """That of the broker."""
    policy: Policy | None = None
    places: Places | None = None
    """Where steps are placed that want something of their worker."""
    orders: list[Order] = field(default_factory=list)
    at_most_once: bool = False
    """Whether an order is for a step that must never be started twice."""
    more: bool = False
    """Whether runs are left that could be begun, in another turn."""
    _begun: int = 0
    _free: dict[str, int] = field(default_factory=dict)
    _free_short: dict[str, int] = field(default_factory=dict)
    """What is left for short steps alone when the others have what they may."""
    _free_long: dict[str, int] = field(default_factory=dict)
    """What the long lane may still take of it."""
    _by_stage: Counter[StageRef] = field(default_factory=Counter)
    _by_run: Counter[int] = field(default_factory=Counter)
    _recounted: set[int] = field(default_factory=set)
    _secured: bool = False
    """Whether nobody else takes any of what pools have of their own now."""

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
    def standing(self) -> Standing:
        return self.children.progress.standing

    @property
    def tx(self) -> Turn:
        return self.children.progress.tx

    def fill(self, active: AtWork | None = None) -> None:
        """`active` is what is stored, if that is known."""
        self._count(self.tx.active() if active is None else active)
        waiting = self._offer_work()
        while self._room(NO_WORKER) > 0 and self._begin(waiting):
            waiting = self._offer_work()
        if self.places is not None and self.places.wanted():
            self._place(self.places)

    def _place(self, places: Places) -> None:
        """Offers steps that want something of their worker to one that has it."""
        places.crowded = {pool for pool in self._free if self._room(pool) <= 0}
        more = True
        while more:
            full, stuck, offers = self._full(), [], len(self.orders)
            found = places.candidates(*full)
            self._read(found)
            self._recount(found)
            self._secure(found)
            for task in found:
                if self._is_full(StageRef(task.run, task.step)):
                    continue
                worker = places.worker_for(task)
                if worker is None or self._pool_full(worker.pool):
                    stuck.append(task)
                elif self._offer(task, worker.name):
                    places.taken(task, worker)
            moved = len(self.orders) > offers or self._full() != full
            more = moved and places.has_more(stuck)

    def _pool_full(self, pool: str) -> bool:
        """Whether it has slots of its own, and they are all taken."""
        return self.standing.pool(pool).slots is not None and self._room(pool) <= 0

    def _count(self, stored: AtWork) -> None:
        active = self.ledger.active(stored)
        self.plans.load(self.tx, {ref.run for ref in active.stages})
        self._recounted.clear()
        self._by_stage, self._by_run = Counter(active.stages), Counter()
        for ref, count in active.stages.items():
            self._by_run[ref.run] += count
        self._sum_up(active.queues)

    def _sum_up(self, queues: Mapping[Queue, int]) -> None:
        at_work: Counter[Queue] = Counter()
        in_pool: Counter[str] = Counter()
        for queue, count in queues.items():
            where = queue.pool if self.pooled else POOL
            at_work[Queue(where, queue.lane)] += count
            in_pool[where] += count
        for name, capacity in self.capacity.items():
            pool, slots, offers = self.standing.pool(name), *capacity
            if pool.slots is not None:
                slots, offers = min(slots, pool.slots), min(offers, pool.slots)
            self._free_short[name] = max(offers - 2 * slots, 0)
            long = at_work[Queue(name, LONG)]
            self._free[name] = offers - in_pool[name]
            self._free_long[name] = pool.for_long(slots) - long

    def _recount(self, tasks: Iterable[TaskRow]) -> None:
        """Counts anew where there are limits: another scheduler may have offered work of
        these runs after all was counted, and before they came into hand."""
        runs = {task.run for task in tasks if task.limited} - self._recounted
        if not runs:
            return
        self._recounted |= runs
        for ref in [ref for ref in self._by_stage if ref.run in runs]:
            del self._by_stage[ref]
        for run in runs:
            del self._by_run[run]
        for ref, count in self.ledger.limited(self.tx.limited(runs)).items():
            if ref.run in runs:
                self._by_stage[ref] = count
                self._by_run[ref.run] += count

    def _secure(self, tasks: Iterable[TaskRow]) -> None:
        """Counts anew where pools have slots of their own: other schedulers offer work of
        other runs in the same pools. From here on they wait for this turn to end; for all
        such pools at once, lest one of them has another that is wanted later."""
        if self._secured or not self.pooled:
            return
        limited = {pool for pool in self.capacity if self.standing.pool(pool).slots is not None}
        if limited.isdisjoint(task.pool for task in tasks):
            return
        self.tx.lock("pool", sorted(limited))
        self._secured = True
        self._sum_up(self.ledger.active(self.tx.active()).queues)

    def _queue(self, task: TaskRow) -> Queue:
        """What this task is read from."""
        pooled = task.pool is not None and self.pooled
        return Queue(task.pool or NO_WORKER, task.lane) if pooled else Queue(POOL, SHORT)

    def _room(self, pool: str, lane: int = SHORT) -> int:
        """How many offers fit into a pool; what needs no worker makes work for any."""
        if pool == NO_WORKER:
            return sum(free for free in self._free.values() if free > 0)
        free = self._free[pool]
        return min(free, self._free_long[pool]) if lane == LONG else free

    def _queues(self) -> list[Queue]:
        """All that there may be work in."""
        lanes = (SHORT, LONG) if self.pooled else (SHORT,)
        queues = [Queue(pool, lane) for pool in self._free for lane in lanes]
        if self.pooled:
            queues += [Queue(NO_WORKER, SHORT)]
        return queues

    def _offer_work(self) -> list[TaskRow]:
        """Offers work as long as there is capacity. The first of the tasks that are to be
        handed over: runs are begun only where work is short, so that there are never many
        more of them than keep the workers busy."""
        waiting: list[TaskRow] = []
        aside: set[StageRef] = set()
        queues = self._queues()
        while queues := [queue for queue in queues if self._room(*queue) > 0]:
            behind = set()
            tasks = self._candidates(queues, aside)
            for task in tasks:
                ref, queue = StageRef(task.run, task.step), self._queue(task)
                if self._is_subrun(ref):
                    waiting.append(task)
                    aside.add(ref)
                elif not self._is_full(ref) and self._room(*queue) > 0:
                    if self._room(*queue) > self._free_short.get(queue.pool, 0) or self._soon(task):
                        self._offer(task)
                    continue
                behind.add(queue)  # there may be others behind it
            self._note_empty(queues, tasks)
            queues = [queue for queue in queues if queue in behind]
        return waiting

    def _soon(self, task: TaskRow) -> bool:
        """Whether it is not known to be long. What is offered beyond twice the slots is there
        since steps are short: long ones would fill it for as long as they take one after
        another, and whoever comes later finds no room, whatever its priority."""
        plan = self.plans.of(task.run)
        step = plan.steps[task.step].step.name
        return self.standing.durations.latest(plan.definition.name, step) <= SOON

    def _note_empty(self, queues: Collection[Queue], tasks: Collection[TaskRow]) -> None:
        """Whose line had less in it than there was room for has nobody waiting."""
        left = {self._queue(task).pool for task in tasks}
        for pool in {queue.pool for queue in queues} - left:
            if pool != NO_WORKER:
                self.standing.empty(pool if self.pooled else None)

    def _begin(self, waiting: list[TaskRow]) -> bool:
        """Hands over tasks, as many as there is capacity for work; whether any was. To make
        a run takes much longer than to write first what it may have to read."""
        if waiting:
            self.ledger.flush(self.tx)
        begun = 0
        for task in waiting:
            ref = StageRef(task.run, task.step)
            if begun >= self._room(NO_WORKER) or self._is_full(ref):
                continue
            if self._begun >= MOST_BEGUN:
                self.more = True
                break
            if self._is_running(task.run) and self.children.begin(task):
                begun += 1
                self._begun += 1
                self._take(task)
        return begun > 0

    def _take(self, task: TaskRow) -> None:
        ref, queue = StageRef(task.run, task.step), self._queue(task)
        if task.limited:
            self._by_stage[ref] += 1
            self._by_run[ref.run] += 1
        if queue.pool in self._free and not self._is_subrun(ref):
            self._free[queue.pool] -= 1
            self._free_long[queue.pool] -= queue.lane == LONG

    def _is_running(self, number: int) -> bool:
        """Whether its steps may start. One that nobody has looked at yet starts here."""
        run = self.ledger.run(number)
        if is_ahead(run, self.ledger.now):
            return run.state in {RunState.PENDING, RunState.RUNNING}  # to be reserved
        if run.state is RunState.PENDING:
            at = started_at(run, self.ledger.now)
            run = self.ledger.move_run(number, RunEvent.START, started_at=at)
        return run.state is RunState.RUNNING

    def _full(self) -> tuple[set[StageRef], set[int]]:
        """Stages and runs of which nothing more may be offered."""
        stages = {ref for ref, count in self._by_stage.items() if self._stage_full(ref, count)}
        runs = {run for run, count in self._by_run.items() if self._run_full(run, count)}
        return stages, runs

    def _candidates(self, queues: Iterable[Queue], aside: set[StageRef]) -> list[TaskRow]:
        """As many ready tasks of each queue as there is room for, by their place in line;
        none of them of a stage or run that is full."""
        full, full_runs = self._full()
        full |= aside

        def stored(limits: Mapping[Queue, int]) -> list[TaskRow]:
            return self.tx.ready(self.ledger.now, limits, full, full_runs)

        def queue_of(task: TaskRow) -> Queue | None:
            ref = StageRef(task.run, task.step)
            if task.run in full_runs or ref in full:
                return None
            return self._queue(task)

        tasks = self.ledger.ready(stored, {queue: self._room(*queue) for queue in queues}, queue_of)
        self._read(tasks)
        self._recount(tasks)
        self._secure(tasks)
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
        self.outputs.load(wanted, self.children.progress.stored_outputs)

    def _is_subrun(self, ref: StageRef) -> bool:
        return isinstance(self.plans.of(ref.run).steps[ref.step].step.action, Subrun)

    def _offer(self, task: TaskRow, target: str = "") -> bool:
        """To a worker, or to its pool; whether it was offered."""
        if not self._is_running(task.run):
            return False
        run = as_it_will_be(self.ledger.run(task.run), self.ledger.now)
        detail = "" if task.detail.startswith(PREFIX) else task.detail
        offered = self.ledger.move(
            task._replace(detail=detail),
            TaskEvent.DISPATCH,
            worker="",
            epoch=self.epoch,
            target=target,
        )
        try:
            order = make_order(run, self.plans.of(task.run), offered, self.outputs)
            if is_ahead(run, self.ledger.now):
                order = replace(order, start_at=run.due_at)
        except OrderError as error:
            self.ledger.move(offered, TaskEvent.REFUSE, detail=str(error))
            return False
        if self._is_vetoed(run, offered, order):
            return False
        rank = rank_of(task.priority, run.raised)
        order = replace(order, priority=aged(rank, self.ledger.now - _since(task)))
        self._take(task)
        self.standing.offered(task, rank, self.plans.of(task.run))
        if self.places is not None and not target:
            self.places.placing.served(self._queue(task).pool, task.place)
        self.orders.append(order)
        if not self.plans.of(task.run).steps[task.step].step.idempotent:
            self.at_most_once = True
        return True

    def _is_vetoed(self, run: RunRow, task: TaskRow, order: Order) -> bool:
        if self.policy is None:
            return False
        veto = self.policy.veto(described(run, self.plans.of(task.run), task, order))
        if veto:
            self.ledger.move(task, TaskEvent.REFUSE, detail=veto)
        return bool(veto)

    def _is_full(self, ref: StageRef) -> bool:
        full = self._stage_full(ref, self._by_stage[ref])
        return full or self._run_full(ref.run, self._by_run[ref.run])

    def _stage_full(self, ref: StageRef, count: int) -> bool:
        limit = self.plans.of(ref.run).steps[ref.step].step.max_parallel
        return limit is not None and count >= limit

    def _run_full(self, run: int, count: int) -> bool:
        limit = self.plans.of(run).definition.max_parallel
        return limit is not None and count >= limit


def _since(task: TaskRow) -> float:
    """Since when it waits; tasks of an older release do not say."""
    return (task.run_at or 0.0) if task.ready_at is None else task.ready_at
