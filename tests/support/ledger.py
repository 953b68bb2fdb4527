"""What steps say of themselves: who was at work when, whatever anybody else believes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

STEP = (
    'mark() {{ echo "$TIDE_RUN $TIDE_STEP $TIDE_FENCE $1 $(date +%s.%N)" >> {ledger}; }}\n'
    "    mark start\n"
    "    for i in 1 2 3 4 5 6 7 8 9 10; do sleep {pause}; mark alive; done\n"
    "    mark end"
)
"""The script of a step: it says that it is alive ten times."""


@dataclass
class Attempt:
    """From its first word to its last. `ended` where it came to its end."""

    first: float
    last: float
    ended: bool = False


Task = tuple[int, str]


def read(path: Path) -> dict[Task, dict[int, Attempt]]:
    """By task and fence."""
    found: dict[Task, dict[int, Attempt]] = defaultdict(dict)
    for line in path.read_text().splitlines():
        run, step, fence, word, at = line.split(" ")
        moment = float(at)
        attempts = found[int(run), step]
        attempt = attempts.setdefault(int(fence), Attempt(moment, moment))
        attempt.last = moment
        attempt.ended |= word == "end"
    return dict(found)


def overlaps(attempts: dict[int, Attempt]) -> list[tuple[int, int]]:
    """Pairs of fences of one task that were at work at the same time."""
    spans = sorted(attempts.items())
    return [
        (one, other)
        for at, (one, a) in enumerate(spans)
        for other, b in spans[at + 1 :]
        if a.first < b.last and b.first < a.last
    ]
