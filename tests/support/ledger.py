"""What steps say of themselves: who was at work when, whatever anybody else believes. Each run
has a file of its own, to which its steps append lines."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

EVERY = 0.2
"""Seconds between two signs of life of a step."""

STEP = r"""
# FOLDER MILLISECONDS [fails=N] [stubborn] [says=TEXT]: works for so long, and keeps the ledger.
# It starts no process: it waits by reading what nobody writes.
exec 7<>"$1/clock" 8>>"$1/$TIDE_RUN"
left=$2 fails=0
shift 2
host=-
for space in /run/netns/tide-chaos-*; do  # the host of a network of the test's own
  [[ $space -ef /proc/self/ns/net ]] && host=${space##*-}
done
mark() { echo "$TIDE_STEP $TIDE_FENCE $1 $EPOCHREALTIME $host" >&8; }
mark start
for word; do
  case $word in
    fails=*) fails=${word#*=} ;;
    stubborn) trap '' TERM ;;
    says=*) echo "${word#*=}" >> "$TIDE_OUTPUT" ;;
  esac
done
while ((left > 200)); do
  read -r -t 0.2 -u 7
  mark alive
  ((left -= 200))
done
printf -v rest '0.%03d' "$left"
read -r -t "$rest" -u 7
((TIDE_ATTEMPT > fails)) || { mark fail; exit 1; }
mark end
"""
"""The script of a step: `fails` times it ends badly, and TERM does not end a stubborn one."""


class Ledger:
    """The files in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        os.mkfifo(folder / "clock")
        self._folder = folder
        self._script = folder / "step"
        self._script.write_text(STEP)

    def step(self, milliseconds: int, *words: str) -> list[str]:
        """The command of a step."""
        return ["bash", str(self._script), str(self._folder), str(milliseconds), *words]

    def read(self, run: int) -> dict[str, Spans]:
        """By task."""
        path = self._folder / str(run)
        return read(path.read_text().splitlines()) if path.exists() else {}

    def remove(self, run: int) -> None:
        (self._folder / str(run)).unlink(missing_ok=True)

    def runs(self) -> list[int]:
        """Those of which something is written."""
        return [int(path.name) for path in self._folder.iterdir() if path.name.isdigit()]


@dataclass
class Span:
    """An attempt, from its first word to its last. `word` is the last: `end` where it came
    to its end, `fail` where it chose to fail; else it was interrupted. `host` is where it ran, if
    it knows."""

    first: float
    last: float
    word: str = "start"
    starts: int = 0
    host: str = ""

    @property
    def ended(self) -> bool:
        return self.word == "end"

    @property
    def interrupted(self) -> bool:
        return self.word not in {"end", "fail"}


Spans = dict[int, Span]
"""The attempts of a task, by fence."""


def read(lines: Iterable[str]) -> dict[str, Spans]:
    found: dict[str, Spans] = defaultdict(dict)
    for line in lines:
        task, fence, word, at, *host = line.split(" ")
        moment = float(at)
        span = found[task].setdefault(int(fence), Span(moment, moment))
        span.host = host[0] if host and host[0] != "-" else ""
        span.last, span.word = moment, word
        span.starts += word == "start"
    return dict(found)


def overlaps(attempts: Mapping[int, Span]) -> list[tuple[int, int]]:
    """Pairs of fences of one task that were at work at the same time."""
    spans = sorted(attempts.items())
    return [
        (one, other)
        for at, (one, a) in enumerate(spans)
        for other, b in spans[at + 1 :]
        if a.first < b.last and b.first < a.last
    ]


def most_at_once(spans: Collection[Span]) -> int:
    """How many were at work at the same time, at most. One that begins in the very moment
    in which another ends is not beside it."""
    moments = [(span.first, 1) for span in spans]
    moments += [(span.last, -1) for span in spans]
    most = now = 0
    for _, change in sorted(moments):
        now += change
        most = max(most, now)
    return most
