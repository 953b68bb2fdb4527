"""What must be true of steps of different runs together, as they said it themselves: limits of
pools, of runs at a time and of workers, where a step may run, and not before it is due."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from chaos_timed import ALONE, FEW_SLOTS, PLACED_WORKER
from ledger import Span, Spans, most_at_once

EARLY = 0.02
"""Seconds by which a step may begin before it is due: nobody's clock is better than that."""


class Across:
    """Gathers what was said of one run after the other."""

    def __init__(self) -> None:
        self.late: dict[str, list[float]] = defaultdict(list)
        """By pipeline, seconds from a due time to the first step's first word."""
        self._few: list[Span] = []
        self._placed: dict[tuple[str, str], list[Span]] = defaultdict(list)
        self._runs: dict[str, list[Span]] = defaultdict(list)
        self._problems: list[str] = []

    def add(self, run: int, pipeline: str, due_at: float | None, said: dict[str, Spans]) -> None:
        spans = [span for attempts in said.values() for span in attempts.values()]
        if not spans:
            return
        whole = Span(min(s.first for s in spans), max(s.last for s in spans))
        if due_at is not None:
            self._note_begin(run, pipeline, whole.first - due_at)
        if pipeline in ALONE:
            self._runs[pipeline].append(whole)
        if pipeline == "few":
            self._few += spans
        if pipeline == "placed":
            self._note_places(run, said)

    def _note_begin(self, run: int, pipeline: str, late: float) -> None:
        self.late[pipeline].append(late)
        if late < -EARLY:
            self._problems.append(f"run {run} of {pipeline} began {-late:.3f} s before it was due")

    def _note_places(self, run: int, said: dict[str, Spans]) -> None:
        for key, attempts in said.items():
            step = key.partition("[")[0]
            for fence, span in attempts.items():
                if span.host:
                    self._placed[span.host, step].append(span)
                if span.host and step == "only" and span.host != PLACED_WORKER:
                    self._problems.append(f"{key} of run {run} ({fence}) ran on {span.host}")

    def problems(self) -> Iterator[str]:
        yield from self._problems
        if (most := most_at_once(self._few)) > FEW_SLOTS:
            yield f"{most} steps at work in a pool of {FEW_SLOTS} slots"
        for (host, step), spans in self._placed.items():
            if (most := most_at_once(spans)) > 1:
                yield f"{most} of {step} at work on {host}, which has enough for one"
        for pipeline, limit in ALONE.items():
            if (most := most_at_once(self._runs[pipeline])) > limit:
                yield f"{most} runs of {pipeline} at work at a time, and {limit} may be"
