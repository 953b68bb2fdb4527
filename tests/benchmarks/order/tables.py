"""The tables of the documentation, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from time import process_time

from order.graphs import Graph, Sketch, forked, published
from order.knowing import histories
from order.loads import Arrival, alone, crowd, together
from order.orders import AsAirflow, ByPriority, Ideal, Order, Tidemill
from order.outcome import Summary, mean, percentile
from order.world import simulate
from tidemill.errors import UsageError
from tidemill.model.expected import ways
from tidemill.model.messages import PRIORITIES
from tidemill.model.pools import Pool

TIMES = 20
"""How often what is random is drawn anew."""

SIZES = (8, 16, 32)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(line)} |\n" for line in (head, *rows)]
    return "".join([lines[0], "|---" * len(head) + "|\n", *lines[1:]])


def graphs_alone(times: int = TIMES) -> str:
    """What is saved of each graph's makespan, against first in, first out."""
    rows = [_saved(graph, slots, times) for graph in [*published(), forked()] for slots in SIZES]
    return table(
        ["graph", "tasks", "slots", "least", "first in, first out", "Tidemill", "as Airflow",
         "ideal"],
        rows,
    )  # fmt: skip


def _saved(graph: Graph, slots: int, times: int) -> list[str]:
    least = max(ways(graph.plan, graph.means).total, graph.work / slots)
    orders = (Order(), Tidemill(), AsAirflow(), Ideal())
    base, *others = [
        fmean(simulate(slots, order, alone(graph, seed)).end for seed in range(times))
        for order in orders
    ]
    name, tasks = ("", "") if slots != SIZES[0] else (graph.name, str(graph.plan.size))
    saved = [f"{span:.0f} s ({_percent(1 - span / base)})" for span in others]
    return [name, tasks, str(slots), f"{least:.0f} s", f"{base:.0f} s", *saved]


def _percent(share: float) -> str:
    return f"{share:.1%}"


def all_at_once(times: int = TIMES) -> str:
    """One run of each graph, all at the same moment."""
    rows = []
    for slots in (16, 64):
        for order in (Order(), AsAirflow(), Ideal(), Tidemill()):
            found = [simulate(slots, order, together(published(), seed)) for seed in range(times)]
            flows = [flow for each in found for flow in each.flows]
            span = fmean(each.end for each in found)
            rows.append([str(slots), order.name, f"{span:.0f} s", _mean_and_high(flows)])
    return table(["slots", "order", "all are over after", "a run takes, mean / p99"], rows)


def lanes(slots: int = 64) -> str:
    """A flood of steps of ten minutes each, and a step of five seconds every five seconds."""
    arrivals = [Arrival(0.0, _steps("flood", 6 * slots, 600.0))]
    quick = _steps("quick", 1, 5.0)
    arrivals += [Arrival(5.0 * number, quick, seed=number) for number in range(600)]
    orders = (Order(), Tidemill(name="Tidemill, without lanes", pool=Pool(reserved=0)), Tidemill())
    rows = []
    for order in orders:
        found = simulate(slots, order, arrivals)
        flows = {run.graph.name: at - run.at for run, at in found.ends}
        short = [at - run.at for run, at in found.ends if run.graph is quick]
        rows.append([order.name, _mean_and_high(short), f"{flows['flood']:.0f} s"])
    return table(["order", "a short step is over after, mean / p99", "the flood takes"], rows)


def _steps(name: str, count: int, seconds: float) -> Graph:
    sketch = Sketch(name, {name: (seconds, 0.05)})
    sketch.many(name, count)
    return sketch.done()


def crowds(slots: int = 64, runs: int = 400, load: float = 0.9) -> str:
    arrivals = crowd(published(), slots, runs, load)
    orders = (Order(), ByPriority(), AsAirflow(), Tidemill())
    return by_priority(summaries(slots, orders, arrivals))


def knowledge(slots: int = 64, runs: int = 400, load: float = 0.9) -> str:
    """The same crowd, and all graphs at once, by what is known of durations."""
    arrivals, rows = crowd(published(), slots, runs, load), []
    for order in histories():
        found = simulate(slots, order, arrivals)
        spans = [_mean_span(graph, order) for graph in (*published(), forked())]
        waits = [wait for each in found.waits.values() for wait in each]
        late, of = found.missed()
        rows.append([order.name, _mean_and_high(found.flows), _mean_and_high(waits),
                     f"{late} of {of}", _percent(fmean(spans))])  # fmt: skip
    head = ["what is known", "a run takes, mean / p99", "a step waits, mean / p99",
            "deadlines missed", "saved of a graph alone"]  # fmt: skip
    return table(head, rows)


def _mean_span(graph: Graph, order: Order, times: int = 5) -> float:
    """What is saved of this graph alone, on 16 slots."""
    spans = [
        fmean(simulate(16, each, alone(graph, seed)).end for seed in range(times))
        for each in (Order(), order)
    ]
    return 1 - spans[1] / spans[0]


def ahead(times: int = 5) -> str:
    """What it costs to offer steps ahead, by how many for each slot."""
    rows = []
    for share in (1.0, 0.5, 0.25, 0.125, 0.0):
        order = Tidemill(ahead=share)
        saved = [
            1 - fmean(simulate(slots, order, alone(graph, seed)).end for seed in range(times))
            / fmean(simulate(slots, Order(), alone(graph, seed)).end for seed in range(times))
            for graph in (*published(), forked())
            for slots in SIZES
        ]  # fmt: skip
        rows.append([f"{share:g}", _percent(fmean(saved)), _percent(min(saved))])
    return table(["offered ahead for each slot", "saved in the mean", "at worst"], rows)


def summaries(
    slots: int,
    orders: Iterable[Order],
    arrivals: Sequence[Arrival],
    until: float | None = None,
) -> list[Summary]:
    found = []
    for order in orders:
        before = process_time()
        outcome = simulate(slots, order, arrivals)
        end = until or max(outcome.end, 1.0)
        found.append(Summary.of(order.name, outcome, end, process_time() - before))
    return found


def by_priority(found: Iterable[Summary]) -> str:
    rows = []
    for each in found:
        waits = [f"{middle:.0f} / {high:.0f} s" for middle, high in each.waits]
        late, of = each.missed
        flow = f"{each.flow[0]:.0f} / {each.flow[1]:.0f} s"
        rows.append([each.order, *waits, flow, f"{late} of {of}", f"{each.used:.1%}"])
    return table(["order", *PRIORITIES, "a run takes", "deadlines missed", "slots used"], rows)


def _mean_and_high(values: Sequence[float]) -> str:
    return f"{mean(values):.0f} / {percentile(values, 0.99):.0f} s"


def put(document: Path, name: str, text: str) -> None:
    """Puts a table in its place in a document: between `<!-- table: NAME -->` and the end."""
    content = document.read_text("utf-8")
    begin, end = f"<!-- table: {name} -->\n", "<!-- end of table -->"
    before, found, rest = content.partition(begin)
    if not found:
        raise UsageError(f"{document} has no place for the table {name}", f"add {begin.strip()}")
    after = rest[rest.index(end) :]
    document.write_text(f"{before}{begin}\n{text}\n{after}", "utf-8")
