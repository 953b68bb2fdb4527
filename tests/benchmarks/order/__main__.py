"""What the order of dispatch is worth, simulated.

    python -m order tables                     real graphs alone and together, and crowds
    python -m order large                      a million tasks on ten thousand workers
    python -m order large --real               the same by the real scheduler's turns: long
    python -m order large --real --runs 510 --slots 1000        a tenth of it
    python -m order history .tidemill/tidemill.db --times 4

`--write FILE` writes the tables into a document that has places for them, and `--picture FILE`
draws the large load. In tests/benchmarks; `make bench-order` does both for the docs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from order import large, picture, tables
from order.orders import Order, Tidemill
from order.outcome import Summary
from order.stored import read
from tidemill.errors import TidemillError

TABLES: Mapping[str, Callable[[], str]] = {
    "alone": tables.graphs_alone,
    "together": tables.all_at_once,
    "lanes": tables.lanes,
    "crowd": tables.crowds,
    "knowledge": tables.knowledge,
    "ahead": tables.ahead,
}


def main() -> int:
    options = _options()
    try:
        if options.what == "tables":
            _show({name: make() for name, make in TABLES.items()}, options.write)
        elif options.what == "large":
            _large(options)
        else:
            _history(options)
    except TidemillError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _large(options: argparse.Namespace) -> None:
    kept = large.kept_at(options.slots)
    if options.real:
        large.by_turns(options.runs, options.slots).stored(kept)
    found = large.by_decisions(options.runs, options.slots)
    if kept.exists() and (real := Summary.read(kept)).tasks == found[0].tasks:
        found.append(real)
    name = "large" if options.slots == large.SLOTS else "turns"
    _show({name: large.table(found)}, options.write)
    if options.picture:
        picture.draw(options.picture, found)


def _history(options: argparse.Namespace) -> None:
    stored = read(options.database, options.times)
    slots = options.slots or stored.slots
    if not slots:
        raise TidemillError("no worker was heard lately", "say how many slots: --slots 8")
    known = Tidemill(stored.known)
    found = tables.summaries(slots, (Order(), known), stored.arrivals)
    tasks, runs = found[0].tasks, len(stored.arrivals)
    print(f"{runs} runs with {tasks} tasks, {options.times:g} times as fast, on {slots} slots\n")
    print(tables.by_priority(found))


def _show(made: Mapping[str, str], document: Path | None) -> None:
    for name, text in made.items():
        print(f"{name}\n\n{text}", flush=True)
        if document is not None:
            tables.put(document, name, text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="order", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="what", required=True)
    kinds.add_parser("tables").add_argument("--write", type=Path, metavar="FILE")
    big = kinds.add_parser("large")
    big.add_argument("--real", action="store_true", help="by the real scheduler's turns, too")
    big.add_argument("--runs", type=int, default=large.RUNS)
    big.add_argument("--slots", type=int, default=large.SLOTS)
    big.add_argument("--write", type=Path, metavar="FILE")
    big.add_argument("--picture", type=Path, metavar="FILE")
    past = kinds.add_parser("history")
    past.add_argument("database", help="a tidemill.db, or a postgresql:// URL")
    past.add_argument("--times", type=float, default=1.0, help="as fast as they came")
    past.add_argument("--slots", type=int, default=0, help="those of its workers, if left out")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
