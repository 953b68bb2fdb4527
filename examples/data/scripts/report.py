"""Writes the report: a line for each region, and how all zones are spread.

Usage: report.py FIGURES TARGET

FIGURES is JSON: an object of lists, one value for each region in the same order.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

STEP = 30  # minutes in one line of the picture


def main(figures: dict[str, list[Any]], target: Path) -> None:
    every = sorted(chain.from_iterable(figures["ahead"]))
    lines = ["How far clocks stand ahead of the sun, in minutes of standard time", ""]
    lines += table(figures)
    lines += ["", *picture(every), ""]
    lines += [f"{len(every)} zones, half of them more than {every[len(every) // 2]} minutes ahead"]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def table(figures: dict[str, list[Any]]) -> Iterator[str]:
    yield f"{'region':<12}{'zones':>5}{'mean':>8}   furthest"
    columns = (figures[name] for name in ("region", "zones", "mean", "furthest", "by"))
    for region, zones, mean, furthest, by in zip(*columns, strict=True):
        yield f"{region:<12}{zones:>5}{mean:>8.1f}   {furthest} ({by:+d})"


def picture(every: list[int]) -> Iterator[str]:
    counts = Counter(minutes // STEP for minutes in every)
    for place in range(min(counts), max(counts) + 1):
        first = place * STEP
        yield f"{first:>+5} to {first + STEP:>+4}  {'#' * counts[place]}".rstrip()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
