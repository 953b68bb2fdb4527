"""What is drawn: nodes and edges with all that a picture says of them, and nothing of how.

Nodes are in an order in which each stands behind those it waits for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a step does; each has a shape of its own."""

    COMMAND = "command"
    APPROVAL = "approval"
    SUBRUN = "subrun"


@dataclass(frozen=True, slots=True)
class Node:
    """One step. `fan` says how it is fanned out (`×3`, `for v in …`; empty where it is
    not), `badges` what else is worth a word; `details` are lines about it."""

    name: str
    kind: Kind = Kind.COMMAND
    fan: str = ""
    conditional: bool = False
    badges: tuple[str, ...] = ()
    details: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What stands below or behind the name."""
        return (self.fan, *self.badges) if self.fan else self.badges


@dataclass(frozen=True, slots=True)
class Edge:
    """`target` waits for `source`; with `data` it uses what that puts out, or how it
    ended. Both are indices of nodes."""

    source: int
    target: int
    data: bool


@dataclass(frozen=True, slots=True)
class Drawing:
    """A pipeline's graph. `edges` leaves out what a longer way implies; sorted."""

    name: str
    description: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def incoming(self) -> list[list[Edge]]:
        """The edges that end at each node."""
        found: list[list[Edge]] = [[] for _ in self.nodes]
        for edge in self.edges:
            found[edge.target].append(edge)
        return found

    def layers(self) -> list[int]:
        """For each node the length of the longest way to it: when it can start at the
        earliest, were all steps of one length."""
        layer = [0] * len(self.nodes)
        for target, edges in enumerate(self.incoming()):
            layer[target] = max((layer[edge.source] + 1 for edge in edges), default=0)
        return layer


def counted(count: int, noun: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
