"""What people do to workers: cordon them, lift that, and see what they have to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tidemill.app.applying import nudge
from tidemill.app.fleet import writing_store
from tidemill.app.history import History
from tidemill.app.people import this_person
from tidemill.clock import SystemClock
from tidemill.errors import UsageError
from tidemill.model.placement import added, wants_of
from tidemill.model.plan import Plan
from tidemill.model.rows import CordonRow, TaskRow, WorkerRow
from tidemill.model.states import TaskState
from tidemill.ports import Transaction
from tidemill.project import Project

LOOK_SECONDS, LOOKS = 0.5, 3


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker, the tasks that it holds, what those that were placed there take up (also before
    it has begun with them), and why it takes nothing new, where somebody said so."""

    row: WorkerRow
    held: tuple[TaskRow, ...]
    used: Mapping[str, float]
    cordon: CordonRow | None = None


def worker_views(history: History) -> list[WorkerView]:
    """The workers that were heard of lately."""
    cordons = {row.worker: row for row in history.cordons()}
    plans: dict[int, Plan] = {}
    views = []
    for row, tasks in history.workers():
        used: dict[str, float] = {}
        for task in tasks:
            if task.target:
                if task.run not in plans:
                    plans[task.run] = history.plan(history.row(task.run))
                wants = wants_of(plans[task.run].steps[task.step].step)
                used = added(used, {} if wants is None else wants.resources)
        held = tuple(task for task in tasks if task.state is TaskState.RUNNING)
        views.append(WorkerView(row, held, used, cordons.get(row.name)))
    return views


def cordon(project: Project, name: str, reason: str = "") -> str:
    """Has a worker take nothing new; what was done, in words.

    Raises:
        UsageError: there is no such worker.
    """
    row = CordonRow(name, SystemClock().now(), this_person().name, reason)

    def work(tx: Transaction) -> None:
        _known(tx, name)
        tx.cordon(row)
        tx.signal(0)

    return _do(project, work, f"{name} takes nothing new")


def uncordon(project: Project, name: str) -> str:
    """Has it take work again.

    Raises:
        UsageError: it was not cordoned.
    """

    def work(tx: Transaction) -> None:
        if not tx.uncordon([name]):
            raise UsageError(f"worker {name} is not cordoned", "`tidemill workers` lists them")
        tx.signal(0)

    return _do(project, work, f"{name} takes work again")


def _do(project: Project, work: Callable[[Transaction], None], said: str) -> str:
    writing_store(project).transact_now(work)
    told = nudge(project, 0)
    return said if told else f"{said} (as soon as a scheduler is up, and looks)"


def _known(tx: Transaction, name: str) -> None:
    known = [row.name for row in tx.workers()]
    if name not in known:
        there = f"there are {', '.join(known[:12])}" if known else "none has been heard of"
        raise UsageError(f"there is no worker {name!r}", there)


def wait_until_empty(project: Project, name: str, seconds: float | None) -> bool:
    """Until a worker holds nothing any more, or is gone; False if that takes longer. It has to
    say that it takes nothing new first, and is looked at twice: what it was claiming at that
    moment is seen by then."""
    until = None if seconds is None else time.monotonic() + seconds
    empty = 0
    while empty < LOOKS:
        if until is not None and time.monotonic() >= until:
            return False
        empty = empty + 1 if _is_empty(project, name) else 0
        time.sleep(LOOK_SECONDS)
    return True


def _is_empty(project: Project, name: str) -> bool:
    history = History(project, replica=False)
    try:
        return all(
            view.row.draining and not view.held
            for view in worker_views(history)
            if view.row.name == name
        )
    finally:
        history.close()
