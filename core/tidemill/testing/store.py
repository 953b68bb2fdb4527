"""What every store has to do: the suite that adapters of `tidemill.ports.Store` pass."""

# ruff: noqa: S101 -- asserts are what tests are made of

from __future__ import annotations

from typing import Any

import pytest

from tidemill.model.rows import (
    AttemptRow,
    BackfillRow,
    CordonRow,
    DecisionRow,
    DutyRow,
    EventRow,
    ExpansionRow,
    PipelineRow,
    Queue,
    ScheduleRow,
    StageRef,
    StageRow,
    TaskRef,
    WorkerRow,
)
from tidemill.model.states import RunState, TaskState
from tidemill.ports import StaleError, Transaction
from tidemill.testing.alarms import AlarmsConformance
from tidemill.testing.notices import NoticesConformance
from tidemill.testing.observers import ObserversConformance
from tidemill.testing.purging import PurgingConformance
from tidemill.testing.store_rows import AWKWARD, RUN, DirectStore, fill, task
from tidemill.testing.triggers import TriggersConformance

__all__ = ["AWKWARD", "RUN", "DirectStore", "StoreConformance", "fill", "task"]


class StoreConformance(
    PurgingConformance,
    NoticesConformance,
    ObserversConformance,
    AlarmsConformance,
    TriggersConformance,
):
    """Subclass it as `Test…`, and supply a fixture `store`: empty, with its tables."""

    def test_everything_comes_back_as_it_was_written(self, store: DirectStore) -> None:
        tasks = [
            task(0),
            task(1, TaskState.SUCCEEDED, outputs=AWKWARD, detail="it's %s :x", exit_code=0),
        ]
        fill(store, tasks)
        assert store.transact_now(lambda tx: tx.all_tasks(1)) == tasks
        assert store.transact_now(lambda tx: tx.runs([1])) == [RUN._replace(number=1)]
        assert store.transact_now(lambda tx: tx.definition("d1")) == b"{}"
        (found,) = store.transact_now(lambda tx: tx.outputs([StageRef(1, 1)])).values()
        assert found == {TaskRef(1, 1): AWKWARD}

    def test_everything_that_may_change_of_a_task_is_written(self, store: DirectStore) -> None:
        fill(store, [task(0)])
        after = task(
            0,
            TaskState.SUCCEEDED,
            run_at=None,
            fence=3,
            attempt=2,
            started_at=1.5,
            ended_at=2.5,
            exit_code=7,
            detail="it's %s :x",
            outputs=AWKWARD,
            cached_from=4,
            child=5,
            worker="w",
            epoch="e",
        )
        store.transact_now(lambda tx: tx.save_tasks([(task(0), after)]))
        assert store.transact_now(lambda tx: tx.tasks([TaskRef(1, 0)])) == [after]

    @pytest.mark.parametrize("change", [{"fence": 7}, {"state": TaskState.RUNNING}])
    def test_a_change_computed_from_another_state_is_refused_whole(
        self, store: DirectStore, change: dict[str, Any]
    ) -> None:
        fill(store, [task(0), task(1)])
        good, stale = task(0), task(1)._replace(**change)
        with pytest.raises(StaleError):
            store.transact_now(
                lambda tx: tx.save_tasks(
                    [(row, row._replace(state=TaskState.QUEUED, fence=9)) for row in (good, stale)]
                )
            )
        assert store.transact_now(lambda tx: tx.all_tasks(1)) == [task(0), task(1)]

    def test_a_run_that_somebody_cancelled_is_not_overwritten(self, store: DirectStore) -> None:
        fill(store, [])
        (run,) = store.transact_now(lambda tx: tx.runs([1]))
        cancelling = run._replace(state=RunState.CANCELLING)
        store.transact_now(lambda tx: tx.save_runs([(run, cancelling)]))
        with pytest.raises(StaleError):
            store.transact_now(lambda tx: tx.save_runs([(run, run._replace(open=0))]))

    def test_all_that_can_change_of_a_stage_is_written(self, store: DirectStore) -> None:
        number = fill(store, [])
        changed = StageRow(number, 0, *range(11, 11 + len(StageRow._fields) - 2))
        store.transact_now(lambda tx: tx.save_stages([changed]))
        assert store.transact_now(lambda tx: tx.stages([changed.ref])) == [changed]

    def test_ready_tasks_come_by_their_place_in_line_and_never_of_a_full_stage(
        self, store: DirectStore
    ) -> None:
        tasks = [task(0), task(1), task(2, place=-1.0), task(3, run_at=99.0), task(4)]
        others = [task(5, TaskState.BLOCKED), task(6, pool="gpu"), task(7, pool=None)]
        fill(store, [*tasks, *others])

        def keys(pool: str = "default", **limits: Any) -> list[str]:
            rows = store.transact_now(lambda tx: tx.ready(10.0, {Queue(pool, 0): 10}, **limits))
            return [row.key for row in rows]

        assert keys() == ["t2", "t0", "t1", "t4"]
        assert keys("gpu") == ["t6"]
        assert keys(full=[StageRef(1, 0)]) == ["t1"]
        assert keys(full_runs=[1]) == []
        rows = store.transact_now(lambda tx: tx.ready(10.0, {Queue("default", 0): 2}))
        assert [row.key for row in rows] == ["t2", "t0"]

    def test_a_lease_is_renewed_only_for_the_fence_and_worker_that_hold_it(
        self, store: DirectStore
    ) -> None:
        held = [task(i, TaskState.RUNNING, fence=2, worker="w") for i in range(3)]
        fill(store, held)
        leases = [(TaskRef(1, 0), 2, "w"), (TaskRef(1, 1), 1, "w"), (TaskRef(1, 2), 2, "x")]
        store.transact_now(lambda tx: tx.renew(leases, 50.0))
        found = store.transact_now(lambda tx: tx.all_tasks(1))
        assert [t.run_at for t in found] == [50.0, 5.0, 5.0]
        assert [t.key for t in store.transact_now(lambda tx: tx.due(10.0))] == ["t1", "t2"]
        store.transact_now(lambda tx: tx.renew([(TaskRef(1, 0), 2, "w")], 40.0))
        assert store.transact_now(lambda tx: tx.all_tasks(1))[0].run_at == 50.0

    def test_the_next_timer_is_the_first_of_all_kinds(self, store: DirectStore) -> None:
        fill(store, [task(0, run_at=5.0), task(1, run_at=90.0)])
        assert store.transact_now(lambda tx: tx.next_due(10.0)) == 90.0
        queued = task(0, TaskState.QUEUED, run_at=7.0)
        store.transact_now(lambda tx: tx.save_tasks([(task(0), queued)]))
        assert store.transact_now(lambda tx: tx.next_due(10.0)) == 7.0, "somebody has it in hand"

    def test_an_attempt_said_twice_is_one_row_that_keeps_its_worker(
        self, store: DirectStore
    ) -> None:
        fill(store, [task(0)])
        first = AttemptRow(1, 0, 1, 1, "w1", 1.0)
        store.transact_now(lambda tx: tx.save_attempts([first]))
        ended = first._replace(worker="", ended_at=2.0, outcome="exited", peak_memory=5 << 32)
        store.transact_now(lambda tx: tx.save_attempts([ended._replace(cache={"key": "k"})]))
        assert self.attempts(store) == [("w1", "exited", 5 << 32)]

    def attempts(self, store: DirectStore) -> list[tuple[Any, ...]]:
        """Worker, outcome and peak memory of all attempts, out of the database."""
        raise NotImplementedError

    def test_a_failed_transaction_leaves_nothing(self, store: DirectStore) -> None:
        fill(store, [])

        def work(tx: Transaction) -> None:
            tx.new_runs([RUN])
            raise KeyError("no")

        with pytest.raises(KeyError):
            store.transact_now(work)
        assert store.transact_now(lambda tx: tx.runs([1, 2])) == [RUN._replace(number=1)]

    def test_a_definition_that_is_there_is_not_stored_again(self, store: DirectStore) -> None:
        store.transact_now(lambda tx: tx.add_definition("d1", "p", b"{}", 1.0))
        store.transact_now(lambda tx: tx.add_definition("d1", "p", b"{}", 2.0))
        assert store.transact_now(lambda tx: tx.definition("d1")) == b"{}"

    def test_lists_of_late_fan_outs_and_their_tasks_are_stored(self, store: DirectStore) -> None:
        fill(store, [task(0)])
        row = ExpansionRow(1, 0, 1, ["list", [["lit", "\u0000"]]])
        store.transact_now(lambda tx: tx.expand([row], [task(1), task(2)]))
        assert store.transact_now(lambda tx: tx.expansions([1])) == [row]
        assert len(store.transact_now(lambda tx: tx.all_tasks(1))) == 3

    def test_a_decision_counts_while_its_task_waits_for_it(self, store: DirectStore) -> None:
        fill(store, [task(0, TaskState.AWAITING_APPROVAL), task(1)])
        said = DecisionRow(1, 0, True, "anna", "fine", "go?", 3.0)
        store.transact_now(lambda tx: tx.decide(said))
        store.transact_now(lambda tx: tx.decide(said._replace(ordinal=1)))
        assert store.transact_now(lambda tx: tx.decisions(1)) == [said]
        assert store.transact_now(lambda tx: tx.decision(TaskRef(1, 0))) == said

    def test_events_are_kept_in_order(self, store: DirectStore) -> None:
        fill(store, [])
        events = [EventRow(1.0, "task", 1, i, {"text": "\u0000 %s"}) for i in range(3)]
        store.transact_now(lambda tx: tx.record(events))

    def test_a_family_is_a_run_and_what_has_not_ended_below_it(self, store: DirectStore) -> None:
        fill(store, [])
        below = {"parent": 1, "parent_task": 0, "root": 1}
        fill(store, [], **below)
        fill(store, [], **below, state=RunState.SUCCEEDED)
        fill(store, [])
        store.transact_now(lambda tx: tx.take([1, 2]))
        assert [r.number for r in store.transact_now(lambda tx: tx.family(1))] == [1, 2]

    def test_signals_are_taken_once(self, store: DirectStore) -> None:
        def work(tx: Transaction) -> None:
            for run, cancel in ((1, False), (1, True), (2, False)):
                tx.signal(run, cancel=cancel)

        store.transact_now(work)
        assert store.transact_now(lambda tx: tx.take_signals(9)) == {1: True, 2: False}
        assert store.transact_now(lambda tx: tx.take_signals(9)) == {}

    def test_what_workers_hold_is_known_by_fence(self, store: DirectStore) -> None:
        fill(store, [task(0, TaskState.QUEUED, fence=1), task(1, TaskState.RUNNING, fence=2)])
        claims = [(TaskRef(1, 0), 1), (TaskRef(1, 1), 1), (TaskRef(1, 1), 2), (TaskRef(9, 9), 1)]
        assert store.transact_now(lambda tx: tx.standing(claims)) == {
            (TaskRef(1, 0), 1): (TaskState.QUEUED, RunState.RUNNING),
            (TaskRef(1, 1), 2): (TaskState.RUNNING, RunState.RUNNING),
        }

    def test_a_worker_is_a_row_and_forgotten_when_silent_for_long(self, store: DirectStore) -> None:
        has = {"cpu": 2.5, "memory": 2.0**36}
        row = WorkerRow("w", "default", 4, "eu", {"gpu": "a100"}, False, 5.0, has)
        store.transact_now(lambda tx: tx.save_workers([row]))
        store.transact_now(lambda tx: tx.save_workers([row._replace(heard_at=9.0)]))
        store.transact_now(lambda tx: tx.save_workers([row._replace(name="old")]))
        store.transact_now(lambda tx: tx.forget_workers(6.0))
        assert store.transact_now(lambda tx: tx.workers()) == [row._replace(heard_at=9.0)]

    def test_lines_are_pools_and_lanes_and_each_has_an_order_of_its_own(
        self, store: DirectStore
    ) -> None:
        far = 2**30 + 15
        tasks = [
            task(0, TaskState.READY, run_at=1.0),
            task(1, TaskState.READY, run_at=1.0, lane=far, place=2.0),
            task(2, TaskState.READY, run_at=1.0, lane=far, place=1.0),
            task(3, TaskState.READY, run_at=9.0, lane=far),
            task(4, TaskState.READY, run_at=1.0, lane=17, place=3.0),
            task(5, TaskState.READY, run_at=1.0, lane=17, pool="gpu"),
            task(6, TaskState.BLOCKED, lane=18),
        ]
        fill(store, tasks)
        here, there = Queue("default", far), Queue("default", 17)
        found = store.transact_now(lambda tx: tx.lines())
        assert found == [Queue("default", 0), there, here, Queue("gpu", 17)]
        first = store.transact_now(lambda tx: tx.ready(5.0, {here: 9, there: 9}))
        assert [row.ordinal for row in first] == [2, 1, 4]
        first = store.transact_now(lambda tx: tx.ready(9.0, {here: 2}))
        assert [row.ordinal for row in first] == [3, 2]

    def test_there_are_no_lines_where_nothing_is_ready(self, store: DirectStore) -> None:
        fill(store, [task(0, TaskState.BLOCKED)])
        assert store.transact_now(lambda tx: tx.lines()) == []

    def test_what_workers_have_is_counted_by_stages(self, store: DirectStore) -> None:
        tasks = [
            task(0, TaskState.QUEUED, step=0, target="w1"),
            task(1, TaskState.RUNNING, step=0, target="w1", worker="w1"),
            task(2, TaskState.RUNNING, step=0, worker="w1"),
            task(3, TaskState.QUEUED, step=0),
            task(4, TaskState.READY, step=0, target="w1", worker="w1"),
            task(5, TaskState.RUNNING, step=0, target="w2", worker="w2"),
        ]
        fill(store, tasks)
        assert sorted(store.transact_now(lambda tx: tx.duties())) == [
            DutyRow("w1", 1, 0, placed=False, tasks=1),
            DutyRow("w1", 1, 0, placed=True, tasks=2),
            DutyRow("w2", 1, 0, placed=True, tasks=1),
        ]

    def test_a_cordon_stands_until_it_is_lifted(self, store: DirectStore) -> None:
        first, second = (CordonRow("w1", 5.0, "anna", why) for why in ("a disk", "a fan"))
        store.transact_now(lambda tx: tx.cordon(first))
        store.transact_now(lambda tx: tx.cordon(second))
        assert store.transact_now(lambda tx: tx.cordons()) == [second]
        assert store.transact_now(lambda tx: tx.uncordon(["w1", "w2"])) == 1
        assert store.transact_now(lambda tx: tx.cordons()) == []

    def test_a_backfill_is_kept_with_how_far_it_has_come(self, store: DirectStore) -> None:
        spec, params = {"every": 1000, "x": [[1, 2]]}, {"n": AWKWARD}
        row = BackfillRow(1, "p", spec, params, 5.0, 9.0, 5, 2, 1.0, "anna", look_at=3.0)
        assert store.transact_now(lambda tx: tx.add_backfill(row)) == 1
        assert store.transact_now(lambda tx: tx.next_due(0.0)) == 3.0
        assert store.transact_now(lambda tx: tx.due_backfills(2.9, 9)) == []
        assert store.transact_now(lambda tx: tx.due_backfills(3.0, 9)) == [row]
        later = row._replace(next_due=None, look_at=None, made=5, ended_at=9.5, detail="it's %s :x")
        store.transact_now(lambda tx: tx.save_backfill(later))
        assert store.transact_now(lambda tx: tx.backfills([1, 7])) == [later]
        assert store.transact_now(lambda tx: tx.next_due(0.0)) is None

    def test_each_of_many_new_runs_has_the_number_that_is_told_of_it(
        self, store: DirectStore
    ) -> None:
        names = [f"p{(7 * n) % 60}" for n in range(60)]

        def work(tx: Transaction) -> list[str]:
            tx.add_definition("d1", "p", b"{}", 1.0)
            numbers = tx.new_runs([RUN._replace(pipeline=name) for name in names])
            stored = {run.number: run.pipeline for run in tx.runs(numbers)}
            return [stored[number] for number in numbers]

        assert store.transact_now(work) == names

    def test_a_backfill_makes_one_run_for_a_due_time(self, store: DirectStore) -> None:
        def work(tx: Transaction) -> list[int]:
            tx.add_definition("d1", "p", b"{}", 1.0)
            ended = RUN._replace(backfill=1, due_at=7.0, state=RunState.SUCCEEDED)
            tx.new_runs([*(RUN._replace(backfill=1, due_at=at) for at in (5.0, 6.0)), ended])
            return tx.open_runs_of_backfill(1)

        assert store.transact_now(work) == [1, 2]
        with pytest.raises(Exception, match=r"(?i)unique"):
            store.transact_now(lambda tx: tx.new_runs([RUN._replace(backfill=1, due_at=5.0)]))

    def test_schedules_that_are_due_come_in_order_and_fire_a_time_once(
        self, store: DirectStore
    ) -> None:
        def work(tx: Transaction) -> None:
            tx.add_definition("d1", "p", b"{}", 1.0)
            tx.save_pipeline(PipelineRow("p", "d1", "p.tide", 1.0, "anna"))
            tx.save_pipeline(PipelineRow("p", "d1", "q.tide", 2.0, "bert"))
            for identity, due in (("a", 9.0), ("b", 5.0), ("c", None), ("d", 99.0)):
                tx.add_schedule(ScheduleRow(0, "p", identity, {"cron": "x"}, due, due))

        store.transact_now(work)
        assert store.transact_now(lambda tx: tx.pipelines()) == [
            PipelineRow("p", "d1", "q.tide", 2.0, "bert")
        ]
        due = store.transact_now(lambda tx: tx.due_schedules(10.0, 9))
        assert [row.identity for row in due] == ["b", "a"]
        assert store.transact_now(lambda tx: tx.next_due(10.0)) == 5.0
        first = due[0]
        number = store.transact_now(
            lambda tx: tx.new_runs([RUN._replace(schedule=first.number, due_at=5.0)])[0]
        )
        asked = [first.number, first.number + 1]
        assert store.transact_now(lambda tx: tx.latest_due(asked)) == {first.number: 5.0}
        assert store.transact_now(lambda tx: tx.open_runs_of(asked)) == {first.number: [number]}
        with pytest.raises(Exception, match=r"(?i)unique"):
            store.transact_now(
                lambda tx: tx.new_runs([RUN._replace(schedule=first.number, due_at=5.0)])[0]
            )
        store.transact_now(
            lambda tx: tx.save_schedules([first._replace(next_due=None, act_at=None)])
        )
        away = first._replace(paused=True, reason="moving", act_at=None, missed=2, fired_due=5.0)
        store.transact_now(lambda tx: tx.save_schedules([away]))
        assert store.transact_now(lambda tx: tx.schedule(first.number)) == away
        store.transact_now(
            lambda tx: tx.save_schedules([first._replace(next_due=None, act_at=None)])
        )
        assert store.transact_now(lambda tx: tx.schedule(99)) is None
        store.transact_now(lambda tx: tx.drop_schedule(due[1].number))
        left = store.transact_now(lambda tx: tx.schedules_of("p"))
        assert [(row.identity, row.next_due) for row in left] == [
            ("b", None),
            ("c", None),
            ("d", 99.0),
        ]

    def test_a_pipeline_goes_with_its_schedules_and_its_runs_stay(self, store: DirectStore) -> None:
        def apply(tx: Transaction) -> None:
            tx.lock_pipelines()
            tx.add_definition("d1", "p", b"{}", 1.0)
            for name in ("p", "q"):
                tx.save_pipeline(PipelineRow(name, "d1", "p.tide", 1.0, "anna", "c0ffee"))
                tx.add_schedule(ScheduleRow(0, name, "a", {"cron": "x"}, 9.0, 9.0))

        store.transact_now(apply)
        (gone,) = store.transact_now(lambda tx: tx.schedules_of("p"))
        run = store.transact_now(lambda tx: tx.new_runs([RUN._replace(schedule=gone.number)])[0])
        store.transact_now(lambda tx: tx.drop_pipeline("p"))
        assert store.transact_now(lambda tx: tx.pipeline("p")) is None
        (left,) = store.transact_now(lambda tx: tx.due_schedules(10.0, 9))
        assert left.pipeline == "q"
        assert [r.number for r in store.transact_now(lambda tx: tx.runs([run]))] == [run]
        assert [r.commit for r in store.transact_now(lambda tx: tx.pipelines())] == ["c0ffee"]
