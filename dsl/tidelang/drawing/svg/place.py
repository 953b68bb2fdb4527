"""Where items stand from top to bottom: near their neighbours, in the order of their
column, and never too close.

Each column in turn takes the places that lie nearest to what its neighbours wish, by
least squares under the order (pool adjacent violators), from left to right and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_ROUNDS = 24


@dataclass(frozen=True, slots=True)
class Item:
    """`height` includes half the space it wants above and below it; `lane` edges are
    kept straight more than others."""

    height: float
    lane: bool


Neighbours = list[list[tuple[int, float]]]


def place(
    items: Sequence[Item], columns: Sequence[Sequence[int]], steps: Sequence[tuple[int, int]]
) -> list[float]:
    """The middle of each item; the topmost edge of all is 0."""
    left, right = _neighbours(items, steps)
    both = [a + b for a, b in zip(left, right, strict=True)]
    middle = [0.0] * len(items)
    for column in columns:
        _stack(items, column, middle)
    for turn in range(_ROUNDS):
        last = turn >= _ROUNDS - 4
        forward = turn % 2 == 0
        wishes = both if last else left if forward else right
        for column in columns if forward else reversed(columns):
            _settle(items, column, wishes, middle)
    top = min(middle[at] - item.height / 2 for at, item in enumerate(items))
    return [at - top for at in middle]


def _neighbours(
    items: Sequence[Item], steps: Sequence[tuple[int, int]]
) -> tuple[Neighbours, Neighbours]:
    left: Neighbours = [[] for _ in items]
    right: Neighbours = [[] for _ in items]
    for source, target in steps:
        weight = 1.0 + 3.0 * (items[source].lane + items[target].lane)
        left[target].append((source, weight))
        right[source].append((target, weight))
    return left, right


def _stack(items: Sequence[Item], column: Sequence[int], middle: list[float]) -> None:
    """Close to each other, around 0."""
    at = -sum(items[item].height for item in column) / 2
    for item in column:
        middle[item] = at + items[item].height / 2
        at += items[item].height


def _settle(
    items: Sequence[Item], column: Sequence[int], wishes: Neighbours, middle: list[float]
) -> None:
    """Subtracting the distances that must be kept leaves places that may not fall."""
    offsets = [0.0]
    for above, below in pairwise(column):
        offsets.append(offsets[-1] + (items[above].height + items[below].height) / 2)
    wanted = []
    for item, offset in zip(column, offsets, strict=True):
        weight = sum(weight for _, weight in wishes[item])
        if weight:
            wish = sum(middle[other] * weight for other, weight in wishes[item]) / weight
            wanted.append((wish - offset, weight))
        else:
            wanted.append((middle[item] - offset, 0.01))
    for item, offset, at in zip(column, offsets, rising(wanted), strict=True):
        middle[item] = at + offset


def rising(wanted: Sequence[tuple[float, float]]) -> list[float]:
    """Values that never fall, nearest to the wanted ones (value, weight) by weighted
    least squares: neighbours that would fall are pooled at their mean."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in wanted:
        pool = (value, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            mean, heavy, count = pools.pop()
            together = heavy + pool[1]
            mean = (mean * heavy + pool[0] * pool[1]) / together
            pool = (mean, together, count + pool[2])
        pools.append(pool)
    return [mean for mean, _, count in pools for _ in range(count)]
