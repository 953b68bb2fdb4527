"""The line in which ready tasks wait for workers: who goes first.

Each pool has one line. A task gets its *place* in it, a moment, when it becomes ready, and
keeps it; whoever has the earliest place goes first. So nothing is sorted again, an index
holds the order, and a turn costs what it takes.

The place is the sum of

- its *start*: the moment at which its pipeline would be served if all pipelines got the same
  share of the slots. This is start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996),
  with expected durations as the lengths of packets: a pipeline's tasks stand behind each
  other, one that had nothing waiting joins at the *front*, where the line is served now;
- a rank of `AGEING` seconds for each priority below `critical`: higher priorities go first,
  and nothing waits for ever, since the moments of later ones pass by;
- its *slack*: how much later than at once it may start without its run ending later, as the
  history of durations has it. What is on the critical path has none, and goes first.

What a flood adds to a start, and the slack, are bounded by `AGEING` each, and the front is
never further back than that. So **no task that becomes ready more than (rank + 3) x `AGEING`
after another one goes before it**, whatever the priorities.
"""

from __future__ import annotations

AGEING = 600.0
"""Seconds of waiting that make up for one rank of priority."""

UNKNOWN_SECONDS = 10.0
"""What is expected of a step that has no history yet."""


def rank_of(priority: int, raised: int = 0) -> int:
    """The rank of a task in a run whose priority was raised by so many ranks."""
    return max(priority - raised, 0)


def aged(rank: int, waited: float) -> int:
    """The rank with which a task is offered that has waited for so many seconds: workers take
    offers of a higher one first, so what got to the front by waiting must count as such."""
    return max(rank - int(waited / AGEING), 0)


def place_of(start: float, rank: int, slack: float = 0.0) -> float:
    return start + AGEING * rank + min(slack, AGEING)


def start_of(place: float, rank: int, slack: float = 0.0) -> float:
    """The start that `place_of` made this place of."""
    return place - AGEING * rank - min(slack, AGEING)


class Line:
    """What a scheduler knows of one pool's line: by rank, where it is served now, and where
    the last task of each pipeline stands. Other schedulers' tasks are not seen, and nothing
    is known after a restart: shares are then fair from there on."""

    def __init__(self) -> None:
        self._fronts: dict[int, float] = {}
        self._ends: dict[tuple[int, str], float] = {}

    def join(self, pipeline: str, rank: int, now: float, share: float) -> float:
        """The start of a task of this pipeline that takes up `share` seconds of the pool's
        time: its expected duration, divided by the slots."""
        front = min(max(self._fronts.get(rank, now), now - AGEING), now)
        start = max(front, self._ends.get((rank, pipeline), front))
        self._ends[rank, pipeline] = start + share
        # Pressed together, not cut off: of a flood, too, each stands behind the one before, and
        # whoever comes later can stand between them.
        behind = start - front
        return front + AGEING * behind / (AGEING + behind)

    def served(self, rank: int, start: float) -> None:
        """A task with this start was offered."""
        self._fronts[rank] = max(self._fronts.get(rank, start), start)

    def empty(self) -> None:
        """Nobody waits any more."""
        self._fronts.clear()
        self._ends.clear()
