"""What the fleet does, beside its peers, in one run on this machine.

    make bench-fleet
    make bench-fleet ARGS="--only queues --peers celery,taskiq --tasks 500 --json out.json"

Ours and the peers take turns, and every figure is the median of the rounds. All servers are
started here, on free ports and in temporary folders, and stopped.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1] / "support")]

import cases  # noqa: E402
from cases import Plan  # noqa: E402
from ours import fleet  # noqa: E402
from servers import Missing  # noqa: E402
from table import Row, Table  # noqa: E402

CASES = ("queues", "processes", "latency", "orchestrators", "stored", "recover")
PEERS = ("celery", "taskiq", "procrastinate", "dramatiq", "arq", "prefect", "airflow")
SIZES = (1_000, 10_000, 100_000, 1_000_000)


def main() -> int:
    given = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all is stopped
    plan = Plan(given.tasks, given.rounds, given.peers, given.sizes, given.backlog,
                given.kills, given.rate)  # fmt: skip
    table = Table()
    try:
        for name, rows in _chosen(plan, given.only):
            print(name, flush=True)
            _measure(name, rows, table)
    finally:  # what has been measured until then is not lost
        table.print()
        if given.json:
            table.write(given.json)
    return 0


def _measure(name: str, rows: Callable[[], Iterator[Row]], table: Table) -> None:
    try:
        table.add(rows())
    except Missing as error:
        table.add([Row(name, "all of it", "", (), f"it could not be measured: {error}")])


def _chosen(plan: Plan, only: tuple[str, ...]) -> Iterator[tuple[str, Callable[[], Iterator[Row]]]]:
    alone: dict[str, Callable[[], Iterator[Row]]] = {
        "stored": lambda: cases.stored(plan),
        "recover": lambda: cases.recover(plan),
    }
    with fleet(plan.tasks) as here:
        shared: dict[str, Callable[[], Iterator[Row]]] = {
            "queues": lambda: cases.queues(plan, here),
            "processes": lambda: cases.processes(plan, here),
            "latency": lambda: cases.latency(plan, here),
            "orchestrators": lambda: cases.orchestra(plan, here.postgres),
        }
        yield from ((name, shared[name]) for name in CASES if name in only and name in shared)
    yield from ((name, alone[name]) for name in CASES if name in only and name in alone)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/benchmarks/fleet", description=__doc__)
    parser.add_argument("--tasks", type=int, default=5000, help="of a wave")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", type=_names(CASES), default=CASES, help=", ".join(CASES))
    parser.add_argument("--peers", type=_names(PEERS), default=PEERS, help=", ".join(PEERS))
    parser.add_argument("--sizes", type=_numbers, default=SIZES, help="tasks that are stored")
    parser.add_argument("--backlog", type=int, default=100_000, help="tasks that wait")
    parser.add_argument("--kills", type=int, default=5, help="of a worker")
    parser.add_argument("--rate", type=float, default=0.0, help="of the latency, tasks a second")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def _names(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        found = tuple(text.split(",")) if text != "none" else ()
        for name in found:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return found

    return names


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number.replace("_", "")) for number in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
