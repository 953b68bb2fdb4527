"""What triggers start: exactly what they say, once, and whatever happens to others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from engine_bench import Bench

from tidelang import codec
from tidelang.compiler import NoPlugins, compile_source
from tidelang.source import Source
from tidelang.values import Size
from tidemill.app.triggering import apply_triggers
from tidemill.engine.create import NewRun, create_run
from tidemill.model.causes import DEEPEST
from tidemill.model.messages import Arrived, Nudge
from tidemill.model.plan import make_plan
from tidemill.model.rows import PipelineRow, RunRow
from tidemill.model.triggers import ArrivalRow, TriggerRow
from tidemill.ports import Transaction

STEP = 'step a { run = ["true"] }'


def apply(bench: Bench, source: str) -> None:
    found = compile_source(Source("t.tide", source), NoPlugins())
    assert found.definitions, found.diagnostics

    def work(tx: Transaction) -> None:
        for definition in found.definitions:
            digest = codec.digest(definition)
            tx.add_definition(digest, definition.name, codec.encode(definition), 1.0)
            tx.save_pipeline(PipelineRow(definition.name, digest, "t.tide", 1.0, "anna"))
            apply_triggers(tx, definition, digest)

    bench.store.transact_now(work)


def start(bench: Bench, name: str, **params: Any) -> RunRow:
    def work(tx: Transaction) -> RunRow:
        pipeline = tx.pipeline(name)
        assert pipeline is not None
        content = tx.definition(pipeline.digest)
        plan = make_plan(codec.decode(content), params)
        chosen = frozenset(range(plan.size))
        new = NewRun(plan, pipeline.digest, content, "t.tide", chosen, {}, pooled=True)
        return create_run(tx, new, 1.0)

    return bench.store.transact_now(work)


def runs(bench: Bench, pipeline: str) -> list[tuple[int, Any, Any]]:
    found = bench.query(
        f"SELECT number, params, cause FROM run WHERE pipeline = '{pipeline}' ORDER BY number"
    )
    return [(number, json.loads(params), json.loads(cause)) for number, params, cause in found]


def trigger(bench: Bench) -> TriggerRow:
    (row,) = bench.store.transact_now(lambda tx: tx.triggers_of())
    return row


async def arrive(bench: Bench, *payloads: Mapping[str, Any], source: str = "e") -> None:
    """Stores events, and has a scheduler look."""
    now = bench.clock.now()

    def work(tx: Transaction) -> None:
        tx.receive([ArrivalRow(0, "event", source, None, p, "emit", now) for p in payloads])
        tx.signal(0)

    bench.store.transact_now(work)
    await bench.broker.report(Nudge(0))
    await bench.clock.run_until_idle()


NOBODY = RunRow(0, "", "", "", None, 0.0)  # type: ignore[arg-type]


def schedule(bench: Bench) -> None:
    bench.schedule(NOBODY, alone=False)


# --- ends of runs -----------------------------------------------------------------------


async def test_the_end_of_a_run_starts_another_one_with_what_it_knows_of_it(bench: Bench) -> None:
    apply(
        bench,
        f"""
        pipeline nightly {{
          param size: size = 3MB
          {STEP}
        }}
        pipeline after {{
          param of: int
          param size: size
          trigger pipeline nightly {{
            when   = event.state == "succeeded"
            params = {{ of = event.run, size = event.params.size }}
          }}
          {STEP}
        }}
        """,
    )
    run = start(bench, "nightly", size=Size(3_000_000))
    bench.drive(run, alone=False)
    await bench.to_the_end(run)
    await bench.clock.advance(1)
    ((number, params, cause),) = runs(bench, "after")
    assert params == {"of": run.number, "size": "3000000B"}
    assert cause == {
        "kind": "pipeline",
        "pipeline": "nightly",
        "run": run.number,
        "state": "succeeded",
        "trigger": 1,
        "depth": 1,
    }
    assert bench.run(number).state.value == "succeeded", "its steps were offered"
    assert trigger(bench).fired_run == number


async def test_only_the_ends_that_it_names_start_a_run(bench: Bench) -> None:
    apply(
        bench,
        f"pipeline p {{ {STEP} }}\n"
        f"pipeline q {{ trigger pipeline p {{ on = [failed, cancelled] }}\n{STEP} }}",
    )
    first = start(bench, "p")
    bench.drive(first, alone=False)
    await bench.to_the_end(first)
    assert runs(bench, "q") == []
    bench.executor.ends = lambda _: None
    second = start(bench, "p")
    await bench.cancel(second)
    await bench.to_the_end(second)
    assert [cause["state"] for _, _, cause in runs(bench, "q")] == ["cancelled"]


async def test_a_cycle_of_pipelines_ends_and_says_why(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Their runs have nothing to do, and so end when they are made."""
    done = 'step a { run = ["true"]\nwhen = 1 == 2 }'
    apply(
        bench,
        f"pipeline ping {{ trigger pipeline pong\n{STEP} }}\n"
        f"pipeline pong {{ trigger pipeline ping\n{done} }}",
    )
    run = start(bench, "ping")
    bench.drive(run, alone=False)
    await bench.clock.advance(600)
    assert len(runs(bench, "ping")) + len(runs(bench, "pong")) == DEEPEST + 1
    assert "is this a cycle?" in caplog.text


async def test_a_turn_that_is_lost_and_taken_again_starts_one_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies behind the write that makes the run, before the commit."""
    apply(bench, f"pipeline p {{ {STEP} }}\npipeline q {{ trigger pipeline p\n{STEP} }}")
    run = start(bench, "p")
    bench.drive(run, alone=False)
    real, died = bench.scheduler.work.take, []

    def take(tx: Transaction, reports: Any) -> Any:
        todo = real(tx, reports)
        if not died and any(row.pipeline == "q" for row in todo.runs):
            died.append(True)
            raise RuntimeError("it dies")
        return todo

    monkeypatch.setattr(bench.scheduler.work, "take", take)
    await bench.clock.run_until(lambda: bool(died))
    await bench.clock.run_until_idle()
    assert runs(bench, "q") == []
    bench._parts.clear()  # noqa: SLF001  the one that died
    bench.schedule(run, alone=False)
    bench.broker.redeliver()
    await bench.clock.advance(100)
    assert bench.run(run.number).state.value == "succeeded"
    assert len(runs(bench, "q")) == 1


# --- events -----------------------------------------------------------------------------


async def test_an_event_starts_a_run_where_its_condition_is_true(bench: Bench) -> None:
    apply(
        bench,
        'pipeline p { param sha: string\ntrigger event "e" {\n'
        f'when = event.branch == "main"\nparams = {{ sha = event.sha }} }}\n{STEP} }}',
    )
    schedule(bench)
    await arrive(bench, {"branch": "x", "sha": "1"}, {"branch": "main", "sha": "2"})
    assert [params for _, params, _ in runs(bench, "p")] == [{"sha": "2"}]
    await arrive(bench, {"branch": "main", "sha": "3"}, source="another")
    assert len(runs(bench, "p")) == 1


async def test_an_event_that_makes_no_sense_is_told_once_and_stops_no_other(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    apply(
        bench,
        'pipeline p { param n: int\ntrigger event "e" { params = { n = event.n } }\n'
        f'{STEP} }}\npipeline q {{ trigger event "e"\n{STEP} }}',
    )
    schedule(bench)
    bad: list[Mapping[str, Any]] = [{"n": "x"}, {"n": "x"}, {}, {"n": [[]]}]
    await arrive(bench, *bad, {"n": 7})
    assert [params for _, params, _ in runs(bench, "p")] == [{"n": 7}]
    assert len(runs(bench, "q")) == 5
    assert caplog.text.count("starts no run") == 3, caplog.text
    await arrive(bench, {"n": "x"})
    rows = bench.store.transact_now(lambda tx: tx.triggers_of("p"))
    assert "param n" in rows[0].trouble


async def test_a_key_that_started_a_run_starts_no_other_for_some_time(bench: Bench) -> None:
    apply(
        bench,
        f'pipeline p {{ trigger event "e" {{ key = event.id\ndedupe = 10m }}\n{STEP} }}',
    )
    schedule(bench)
    await arrive(bench, {"id": 1}, {"id": 1}, {"id": 2})
    assert len(runs(bench, "p")) == 2
    await bench.clock.advance(590)
    await arrive(bench, {"id": 1})
    assert len(runs(bench, "p")) == 2
    await bench.clock.advance(20)
    await arrive(bench, {"id": 1})
    assert len(runs(bench, "p")) == 3


async def test_of_events_close_together_the_last_starts_a_run_when_it_is_quiet(
    bench: Bench,
) -> None:
    apply(
        bench,
        'pipeline p { param n: int\ntrigger event "e" { key = event.id\ndebounce = 30s\n'
        f"params = {{ n = event.n }} }}\n{STEP} }}",
    )
    schedule(bench)
    for n in range(3):
        await arrive(bench, {"id": 1, "n": n}, {"id": 2, "n": 10 + n})
        await bench.clock.advance(20)
    assert runs(bench, "p") == []
    await bench.clock.advance(11)
    assert [params["n"] for _, params, _ in runs(bench, "p")] == [2, 12]
    await arrive(bench, {"id": 1, "n": 9})
    await bench.clock.advance(31)
    assert [params["n"] for _, params, _ in runs(bench, "p")] == [2, 12, 9]


async def test_events_that_never_cease_put_a_run_off_only_so_long(bench: Bench) -> None:
    apply(bench, f'pipeline p {{ trigger event "e" {{ debounce = 30s }}\n{STEP} }}')
    schedule(bench)
    for _ in range(15):
        assert runs(bench, "p") == []
        await arrive(bench, {})
        await bench.clock.advance(20)
    await bench.clock.advance(1)
    assert len(runs(bench, "p")) == 1


async def test_what_waits_is_not_lost_with_the_scheduler(bench: Bench) -> None:
    apply(bench, f'pipeline p {{ trigger event "e" {{ debounce = 30s }}\n{STEP} }}')
    schedule(bench)
    await arrive(bench, {})
    bench.stop()
    await bench.clock.advance(100)
    assert runs(bench, "p") == []
    schedule(bench)
    await bench.clock.run_until_idle()
    assert len(runs(bench, "p")) == 1


async def test_more_events_than_a_turn_takes_are_all_taken(bench: Bench) -> None:
    apply(bench, f'pipeline p {{ trigger event "e" {{ when = event.n == 249 }}\n{STEP} }}')
    schedule(bench)
    await arrive(bench, *({"n": n} for n in range(250)))
    assert len(runs(bench, "p")) == 1


async def test_an_event_of_the_broker_is_stored_with_its_turn_and_once(bench: Bench) -> None:
    apply(bench, f'pipeline p {{ trigger event "e"\n{STEP} }}')
    schedule(bench)
    for _ in range(2):
        await bench.broker.report(Arrived("e", "id-1", {}, bench.clock.now()))
        await bench.clock.run_until_idle()
    assert len(runs(bench, "p")) == 1


async def test_runs_of_events_keep_to_the_concurrency_of_their_pipeline(bench: Bench) -> None:
    apply(bench, f'pipeline p {{ concurrency = 1\ntrigger event "e"\n{STEP} }}')
    bench.executor.ends = lambda _: None
    schedule(bench)
    bench.work("w")
    await arrive(bench, {}, {})
    await bench.clock.advance(60)
    assert len(bench.executor.at_work) == 1
    bench.executor.end("a")
    await bench.clock.run_until(lambda: bench.run(1).state.ended)
    await bench.clock.run_until(lambda: bool(bench.executor.at_work), within=60)
    assert len(runs(bench, "p")) == 2


# --- applying ---------------------------------------------------------------------------


def test_a_trigger_that_is_applied_again_keeps_what_is_known_of_it(bench: Bench) -> None:
    apply(bench, f'pipeline p {{ trigger event "e" {{ key = event.id }}\n{STEP} }}')
    known = trigger(bench)._replace(fired_run=7, trouble="bad", trouble_at=1.0)
    bench.store.transact_now(lambda tx: tx.note_triggers([known]))
    apply(
        bench,
        f'pipeline p {{ trigger event "f"\ntrigger event "e" {{ key = event.id\n'
        f"dedupe = 5s }}\n{STEP} }}",
    )
    f, e = bench.store.transact_now(lambda tx: tx.triggers_of("p"))
    assert (f.source, f.place, f.fired_run) == ("f", 0, None)
    assert (e.number, e.place, e.fired_run, e.digest) == (known.number, 1, 7, f.digest)
    apply(bench, f"pipeline p {{ {STEP} }}")
    assert bench.store.transact_now(lambda tx: tx.triggers_of()) == []
