"""A million tasks on ten thousand workers, by the orders' decisions; and loads by the turns of
the real scheduler. What those gave is kept beside this file, since they take long."""

from __future__ import annotations

from pathlib import Path
from time import process_time

from order import tables
from order.graphs import published
from order.loads import Arrival, Tide, crowd
from order.orders import Order, Tidemill
from order.outcome import Summary
from order.real import Fleet

SLOTS, RUNS = 10_000, 5_100
LOAD, TIDE = 1.2, Tide(0.4, 5000.0)
"""More comes than the slots can take, and then less."""

UNTIL = 6000.0
"""Seconds that are shown of it. The last run comes after some 3,200."""


def load(runs: int, slots: int) -> list[Arrival]:
    return crowd(published(), slots, runs, LOAD, tide=TIDE)


def by_decisions(runs: int = RUNS, slots: int = SLOTS) -> list[Summary]:
    return tables.summaries(slots, (Order(), Tidemill()), load(runs, slots), UNTIL)


def by_turns(runs: int = RUNS, slots: int = SLOTS) -> Summary:
    arrivals, before = load(runs, slots), process_time()
    fleet = Fleet(slots)
    fleet.know(published())
    found = fleet.run(arrivals)
    cpu = process_time() - before
    return Summary.of("Tidemill, by real turns", found, UNTIL, cpu, fleet.taken)


def kept_at(slots: int) -> Path:
    """Where the summary is kept of what real turns gave on so many slots."""
    return Path(__file__).with_name(f"by_turns_{slots}.json")


def table(found: list[Summary]) -> str:
    return tables.by_priority(found) + "\n" + "\n".join(f"- {_cost(each)}" for each in found) + "\n"


def _cost(each: Summary) -> str:
    turns = f" and {each.turns:,} turns" if each.turns else ""
    took = f"{each.tasks:,} tasks in {each.cpu:.0f} s of a processor{turns}"
    return f"{each.order}: {took}, {each.most:,} of {each.slots:,} slots in use at most."
