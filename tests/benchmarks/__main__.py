"""Compares Tidemill with the floor and its peers, in one run, as a Markdown table.

    make bench                            everything, with peers from PyPI
    make bench ARGS="--only wide --no-peers"

What is run is interleaved (A B A B), and every figure is `min / median / max` in
seconds; ratios are those of medians. Figures move with the machine, ratios hardly do.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import cases
from cases import Plan, Row
from contenders import install_peers, peers

HEAD = "| case | what | seconds (min / median / max) | ratio | to | target |\n" + "|---" * 6 + "|"


def main() -> int:
    options = _options()
    if options.peers:
        install_peers()
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as scratch:
        plan = Plan(
            repeats=options.repeats,
            peer_repeats=options.peer_repeats,
            scratch=Path(scratch),
            peers=tuple(peers()) if options.peers else (),
            small=options.small,
        )
        print(f"Python {platform.python_version()}, {cases.processors()} processors\n\n{HEAD}")
        missed = [row for row in _rows(plan, options.only) if not _met(row)]
    for row in missed:
        print(f"\nnot met: {row.case}: {row.what}: {row.ratio:.2f}, target {row.target:g}")
    return 1 if missed and options.strict else 0


def _rows(plan: Plan, only: list[str]) -> Iterator[Row]:
    for rows in _cases(plan, only):
        for row in rows:
            print(_line(row), flush=True)
            yield row


def _cases(plan: Plan, only: list[str]) -> Iterator[Iterable[Row]]:
    chosen = {
        "start": cases.start_up,
        "hello": cases.cold_hello,
        "wide": cases.wide,
        "chain": cases.chain,
        "layers": cases.layers,
        "validate": cases.validation,
        "compile": cases.compiling,
        "memory": cases.memory,
    }
    for name, case in chosen.items():
        if not only or name in only:
            yield case(plan)


def _met(row: Row) -> bool:
    return row.target is None or row.ratio is None or row.ratio <= row.target


def _line(row: Row) -> str:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    target = "" if row.target is None else f"{row.target:g} {'met' if _met(row) else 'NOT MET'}"
    return f"| {row.case} | {row.what} | {row.series} | {ratio} | {row.against} | {target} |"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="CASE")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer-repeats", type=int, default=1)
    parser.add_argument("--no-peers", dest="peers", action="store_false")
    parser.add_argument("--small", action="store_true", help="a tenth of the sizes")
    parser.add_argument("--strict", action="store_true", help="1 where a target is missed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
