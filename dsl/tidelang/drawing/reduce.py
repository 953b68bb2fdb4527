"""Leaving out what a longer way says already."""

from __future__ import annotations

from collections.abc import Sequence


def implied(needs: Sequence[Sequence[int]]) -> list[set[int]]:
    """For each node those of its needs that another of its needs waits for, by whatever
    way. Nodes stand behind their needs. A set of nodes is one integer, a bit a node:
    that makes thousands of steps cheap."""
    before: list[int] = []
    found: list[set[int]] = []
    for mine in needs:
        further = 0
        for need in mine:
            further |= before[need]
        found.append({need for need in mine if further >> need & 1})
        before.append(further | sum(1 << need for need in set(mine)))
    return found
