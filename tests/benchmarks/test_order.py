"""The simulation of the order of dispatch can be trusted: it keeps to the slots that there are,
and to what the real scheduler does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import pytest
from order import graphs, large, picture, stored, tables
from order.graphs import Graph, Sketch
from order.knowing import cold, histories
from order.loads import Arrival, Deadlines, crowd, tasks
from order.orders import AsAirflow, ByPriority, Ideal, Order, Tidemill
from order.outcome import Outcome, Summary, mean
from order.real import Fleet
from order.world import simulate
from postgres import Postgres

from tidemill.errors import UsageError
from tidemill.store.database import open_postgres, open_sqlite
from tidemill.store.sql import SqlStore

ROOT = Path(__file__).parents[2]

SMALL = (graphs.blast, graphs.bwa, graphs.cycles, graphs.genome, graphs.montage)


def small() -> list[Graph]:
    return [make() for make in SMALL]


def most_at_once(found: Outcome) -> int:
    """Counted from the starts and ends themselves; who ends makes room first."""
    moments = sorted([(at, 1) for at in found.begun] + [(at, -1) for at in found.over])
    return max(accumulate(change for _, change in moments))


def run_really(slots: int, arrivals: Sequence[Arrival], gather: float = 0.05) -> Outcome:
    fleet = Fleet(slots, gather=gather)
    fleet.know(small())
    return fleet.run(arrivals)


# --- graphs ------------------------------------------------------------------------


def test_the_graphs_have_as_many_tasks_and_needs_as_the_published_executions() -> None:
    counted = {
        graph.name: (graph.plan.size, sum(len(step.needs) for step in graph.plan.steps))
        for graph in graphs.published()
    }
    assert counted == {
        "montage": (310, 798), "epigenomics": (405, 500), "genome": (164, 212),
        "cycles": (437, 650), "seismology": (201, 200), "blast": (43, 120), "bwa": (104, 400),
        "soykb": (96, 194), "srasearch": (42, 60),
    }  # fmt: skip


def test_a_graph_is_the_same_each_time_that_it_is_made() -> None:
    assert graphs.genome().usual == graphs.genome().usual


# --- the simulation by decisions ---------------------------------------------------


@pytest.mark.parametrize("order", [Order(), ByPriority(), AsAirflow(), Ideal(), Tidemill()])
def test_no_order_uses_more_slots_than_there_are_and_each_does_all_the_work(order: Order) -> None:
    arrivals = crowd(small(), 16, 12, 1.5)
    found = simulate(16, order, arrivals)
    assert most_at_once(found) == found.most == 16
    assert len(found.begun) == len(found.over) == tasks(arrivals)
    assert len(found.ends) == 12


def test_no_task_starts_before_what_it_needs() -> None:
    sketch = Sketch("chain", {"step": (10, 0.1)})
    last = sketch.add("step")
    for _ in range(4):
        last = sketch.add("step", last)
    found = simulate(8, Tidemill(), [Arrival(0.0, sketch.done(), took=(10.0,) * 5)])
    assert found.begun == [0, 10, 20, 30, 40]
    assert found.over == [10, 20, 30, 40, 50]


def test_long_steps_leave_their_share_of_the_slots_to_short_ones() -> None:
    sketch = Sketch("flood", {"long": (600, 0.05)})
    sketch.many("long", 60)
    found = simulate(20, Tidemill(), [Arrival(0.0, sketch.done())])
    assert most_at_once(found) == 18
    assert most_at_once(simulate(20, Order(), [Arrival(0.0, sketch.done())])) == 20


def test_a_crowd_of_urgent_work_does_not_keep_the_least_urgent_waiting_for_ever() -> None:
    sketch = Sketch("urgent", {"step": (30, 0.1)})
    sketch.many("step", 40)
    urgent = sketch.done()
    arrivals = [Arrival(60.0 * n, urgent, 1, n) for n in range(300)]
    found = simulate(16, Tidemill(), [*arrivals, Arrival(600.0, urgent, 4, 7)])
    assert max(found.waits[4]) < max(run.at for run in arrivals) / 2
    assert max(simulate(16, ByPriority(), [*arrivals, Arrival(600.0, urgent, 4, 7)]).waits[4]) > (
        max(run.at for run in arrivals)
    )


def test_deadlines_that_were_missed_are_counted() -> None:
    graph = graphs.blast()
    runs = [
        Arrival(0.0, graph, deadline=1.0),
        Arrival(0.0, graph, deadline=1e6),
        Arrival(0.0, graph),
    ]
    assert simulate(8, Order(), runs).missed() == (1, 2)


def test_slots_in_use_are_counted_over_time() -> None:
    sketch = Sketch("one", {"step": (10, 0.1)})
    sketch.add("step")
    found = simulate(2, Order(), [Arrival(5.0, sketch.done(), took=(10.0,))])
    assert found.timeline(4, 20.0) == [0, 0.5, 0.5, 0]
    assert found.timeline(2, 20.0) == [0.25, 0.25]


def test_without_a_history_nothing_is_known_to_be_critical() -> None:
    forked = graphs.forked()
    known = simulate(16, Tidemill(), [Arrival(0.0, forked)]).end
    assert known < simulate(16, Tidemill(cold), [Arrival(0.0, forked)]).end * 0.9
    assert next(each.name for each in histories()) == "the means of many runs"


# --- the real scheduler's turns ----------------------------------------------------


def test_the_real_turns_give_what_the_decisions_alone_give() -> None:
    """Waits in the mean within 10 %, runs' lengths within 5 %, slots in use within one in a
    hundred: what is left is the wait for turns, which decisions alone do not have."""
    arrivals = crowd(small(), 16, 6, 1.5, deadlines=Deadlines(0.5))
    alone, real = simulate(16, Tidemill(), arrivals), run_really(16, arrivals)
    assert most_at_once(real) == 16
    assert len(real.over) == tasks(arrivals)
    waits = [mean(w for each in found.waits.values() for w in each) for found in (alone, real)]
    assert waits[1] == pytest.approx(waits[0], rel=0.1)
    assert mean(real.flows) == pytest.approx(mean(alone.flows), rel=0.05)
    assert real.used == pytest.approx(alone.used, abs=0.01)


def test_the_real_turns_differ_from_first_in_first_out() -> None:
    """Else the test above would say little."""
    arrivals = crowd(small(), 16, 6, 1.5)
    first, tidemill = simulate(16, Order(), arrivals), simulate(16, Tidemill(), arrivals)
    assert mean(tidemill.flows) < mean(first.flows) * 0.9


# --- stored history ----------------------------------------------------------------


def past() -> list[Arrival]:
    return [Arrival(0.0, graphs.blast(), seed=1), Arrival(100.0, graphs.bwa(), seed=2)]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Of a scheduler that has driven some runs."""
    path = tmp_path / "tidemill.db"
    store = SqlStore(open_sqlite(path))
    fleet = Fleet(8, store=store)
    fleet.know([graphs.blast(), graphs.bwa()])
    fleet.run(past())
    return path


def test_the_load_of_a_stored_history_is_simulated_as_it_was(database: Path) -> None:
    found = stored.read(str(database))
    assert [arrival.graph.pipeline for arrival in found.arrivals] == ["blast", "bwa"]
    assert found.slots == 8
    for arrival, run in zip(found.arrivals, past(), strict=True):
        assert arrival.at == run.at
        assert arrival.seconds() == pytest.approx(run.seconds(), abs=1e-3)
    assert found.means["bwa"].keys() == graphs.bwa().means.keys()
    again = simulate(8, Tidemill(found.known), found.arrivals)
    assert len(again.over) == 43 + 104


def test_a_stored_history_comes_as_many_times_as_fast_as_one_says(database: Path) -> None:
    slow, fast = stored.read(str(database)), stored.read(str(database), 4)
    assert [arrival.at for arrival in slow.arrivals] == [0, 100]
    assert [arrival.at for arrival in fast.arrivals] == [0, 25]


def test_the_history_of_a_fleet_is_read_from_its_postgresql(postgres: Postgres) -> None:
    url = postgres.database()
    fleet = Fleet(8, store=SqlStore(open_postgres(url)))
    fleet.know([graphs.blast()])
    fleet.run(past()[:1])
    found = stored.read(url)
    assert [arrival.graph.name for arrival in found.arrivals] == ["blast #1"]
    assert found.arrivals[0].seconds() == pytest.approx(past()[0].seconds(), abs=1e-3)
    assert found.known(found.arrivals[0].graph).keys() == graphs.blast().means.keys()


def order(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "order", *words],
        cwd=ROOT / "tests/benchmarks", capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_the_command_prints_a_stored_history_in_both_orders(database: Path) -> None:
    done = order("history", str(database), "--times", "2")
    assert done.returncode == 0, done.stderr
    assert "2 runs with 147 tasks, 2 times as fast, on 8 slots" in done.stdout
    assert "| first in, first out |" in done.stdout
    assert "| Tidemill |" in done.stdout


def test_what_is_no_history_is_said_in_a_line(tmp_path: Path) -> None:
    done = order("history", str(tmp_path / "nothing.db"))
    assert done.returncode == 2
    assert done.stderr.strip().startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


# --- tables and pictures -----------------------------------------------------------


def summary(name: str, turns: int = 0) -> Summary:
    found = simulate(16, Tidemill(), crowd(small(), 16, 8, 1.5))
    return Summary.of(name, found, 500.0, 1.0, turns)


def test_tables_are_put_in_their_places_in_a_document(tmp_path: Path) -> None:
    document = tmp_path / "order.md"
    document.write_text("before\n\n<!-- table: crowd -->\nold\n<!-- end of table -->\n\nafter\n")
    tables.put(document, "crowd", tables.by_priority([summary("Tidemill")]))
    text = document.read_text()
    assert text.startswith("before\n\n<!-- table: crowd -->\n\n| order | critical |")
    assert text.endswith("|\n\n<!-- end of table -->\n\nafter\n")
    assert "old" not in text
    with pytest.raises(UsageError, match="no place for the table lanes"):
        tables.put(document, "lanes", "")


def test_the_same_figures_draw_the_same_picture_which_is_small(tmp_path: Path) -> None:
    found = [summary("first in, first out"), summary("Tidemill"), summary("by turns", 7)]
    one, two = tmp_path / "1.svg", tmp_path / "2.svg"
    picture.draw(one, found)
    picture.draw(two, [replace(each) for each in found])
    assert one.read_bytes() == two.read_bytes()
    assert one.stat().st_size < 100_000
    drawn = one.read_text()
    for word in ("critical", "first in, first out", "deadlines missed", "slots in use, of 16"):
        assert word in drawn


def test_a_summary_outlasts_being_stored(tmp_path: Path) -> None:
    before = summary("Tidemill", 5)
    before.stored(tmp_path / "kept.json")
    after = Summary.read(tmp_path / "kept.json")
    assert tables.by_priority([after]) == tables.by_priority([before])
    assert after.spans == before.spans


def test_the_document_has_all_tables_and_the_picture() -> None:
    text = (ROOT / "docs/explanation/order.md").read_text("utf-8")
    for name in ("alone", "together", "lanes", "crowd", "knowledge", "ahead", "turns", "large"):
        assert f"<!-- table: {name} -->\n\n|" in text
    assert "](../pictures/load.svg)" in text
    assert (ROOT / "docs/pictures/load.svg").stat().st_size < 100_000
    kept = Summary.read(large.kept_at(1000))
    assert large.table([kept]).splitlines()[2] in text
