"""A load as a picture: slots in use over time, waiting by priority, and deadlines missed. The
same figures give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from order.outcome import Summary
from tidemill.model.messages import PRIORITIES

GREY = "#808080"
COLOURS = ("#d9822b", "#2b87d9", "#4caf6d")
"""Each can be told from a white page and from a black one, and from the others."""

LEAST = 0.1
"""Seconds that are shown where a step waits less."""

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "tidemill",  # else names within the file are random
    "svg.fonttype": "none",  # text stays text
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": GREY,
    "axes.labelcolor": GREY,
    "axes.edgecolor": GREY,
    "axes.titlecolor": GREY,
    "axes.titlesize": 10,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def draw(target: Path, found: Sequence[Summary]) -> None:
    """Writes an SVG. It has no background, so that it is readable on a dark page too."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    with mpl.rc_context(STYLE):
        figure = plt.figure(figsize=(8, 5), layout="constrained")
        places = figure.add_gridspec(2, 3)
        _slots(figure.add_subplot(places[0, :]), found)
        _waits(figure.add_subplot(places[1, :2]), found)
        _missed(figure.add_subplot(places[1, 2]), found)
        figure.savefig(target, transparent=True, metadata={"Date": None, "Creator": None})
        plt.close(figure)


def _slots(axes: Any, found: Sequence[Summary]) -> None:
    for each, colour in zip(found, COLOURS, strict=False):
        width = each.until / len(each.spans)
        times = [(n + 0.5) * width / 60 for n in range(len(each.spans))]
        dashed = "--" if each.turns else "-"
        shares = [100 * span for span in each.spans]
        axes.plot(times, shares, dashed, color=colour, label=each.order)
    axes.set_ylim(0, 105)
    axes.set_xlim(0, None)
    axes.set_title(f"slots in use, of {found[0].slots:,} (%)")
    axes.set_xlabel("minutes")
    axes.legend(loc="lower center")


def _waits(axes: Any, found: Sequence[Summary]) -> None:
    bar = 0.8 / len(found)
    for n, (each, colour) in enumerate(zip(found, COLOURS, strict=False)):
        at = [rank + (n - (len(found) - 1) / 2) * bar for rank in range(5)]
        means = [max(middle, LEAST) for middle, _ in each.waits]
        axes.bar(at, means, bar * 0.9, color=colour, label=each.order)
        for x, (middle, high) in zip(at, each.waits, strict=True):
            axes.plot([x, x], [max(middle, LEAST), max(high, LEAST)], color=colour, linewidth=1)
            axes.plot([x], [max(high, LEAST)], "_", color=colour)
    axes.set_yscale("log")
    axes.set_ylim(LEAST)
    axes.set_xticks(range(5), PRIORITIES)
    axes.set_title("a step waits (s): mean, and 99th percentile")


def _missed(axes: Any, found: Sequence[Summary]) -> None:
    names = [each.order.replace(", ", ",\n").replace(" (", "\n(") for each in found]
    counts = [each.missed[0] for each in found]
    axes.bar(range(len(found)), counts, 0.6, color=COLOURS[: len(found)])
    for at, count in enumerate(counts):
        axes.annotate(str(count), (at, count), ha="center", va="bottom")
    axes.set_xticks(range(len(found)), names, fontsize=7)
    axes.set_title(f"deadlines missed, of {found[0].missed[1]}")
