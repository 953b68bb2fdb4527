"""What schedules and backfills have promised: which times get a run, and which must not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tidemill.model.rows import RunRow, ScheduleRow


@dataclass(frozen=True, slots=True)
class Span:
    """Due times of a schedule, from the `first` to before the `end`, while it was at work.
    `missed` are those that it says itself that no run was made for: where `overlap` skips none,
    these are the last ones, that nobody had dealt with when it was paused."""

    schedule: int
    every: float
    overlap: str
    first: float
    end: float
    missed: int

    def times(self) -> list[float]:
        count = max(round((self.end - self.first) / self.every), 0)
        return [self.first + n * self.every for n in range(count)]


@dataclass(slots=True)
class Timetable:
    """Kept by whoever changes schedules, in the order of commits."""

    backfills: dict[int, tuple[int, list[float]]] = field(default_factory=dict)
    """How many runs at a time, and the due times."""
    taken_back: set[int] = field(default_factory=set)
    """Runs that had been made ahead, and are none of their schedule's any more."""
    _taken_times: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    _digests: dict[str, str] = field(default_factory=dict)
    """By pipeline, what is applied."""
    _begun: dict[int, tuple[float | None, int]] = field(default_factory=dict)
    """By schedule at work, its first due time and what it had missed before."""
    _pauses: dict[int, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    _paused_since: dict[int, float] = field(default_factory=dict)
    _spans: list[Span] = field(default_factory=list)

    # what people do

    def applied(self, digest: str, pipeline: str) -> None:
        self._digests[pipeline] = digest

    def begun(self, row: ScheduleRow) -> None:
        self._begun[row.number] = (row.next_due, row.missed)

    def paused(self, row: ScheduleRow, now: float) -> None:
        self.ended(row)
        self._paused_since[row.number] = now

    def resumed(self, row: ScheduleRow, now: float) -> None:
        self._pauses[row.number].append((self._paused_since.pop(row.number), now))
        self.begun(row)

    def goes_on(self, row: ScheduleRow) -> None:
        """It was changed, and is due again at what was taken back."""
        self._taken_times.pop(row.number, None)

    def take_back(self, runs: Sequence[RunRow]) -> None:
        self.taken_back.update(run.number for run in runs)
        for run in runs:
            if run.schedule is not None and run.due_at is not None:
                self._taken_times[run.schedule].append(run.due_at)

    def ended(self, row: ScheduleRow) -> None:
        """It is due no more for now: `row` says when it would have been next."""
        first, missed = self._begun.pop(row.number, (None, 0))
        if first is None or row.next_due is None:
            return
        end = min([row.next_due, *self._taken_times.pop(row.number, ())])
        every, overlap = row.spec["every"] / 1000, row.spec["overlap"]
        self._spans.append(Span(row.number, every, overlap, first, end, row.missed - missed))

    # what schedulers do

    def made(self, run: RunRow) -> Iterator[str]:
        """What is wrong with a run that has been made just now."""
        applied = self._digests.get(run.pipeline)
        by_clock = run.schedule is not None or run.backfill is not None
        if by_clock and applied is not None and run.digest != applied:
            yield f"run {run.number} is of a version that is not applied any more"
        if run.schedule is None or run.due_at is None:
            return
        if run.schedule in self._paused_since:
            yield f"run {run.number} was made while schedule {run.schedule} was paused"
        for begin, end in self._pauses[run.schedule]:
            if begin < run.due_at < end:
                yield f"run {run.number} is for {run.due_at}, in a pause from {begin} to {end}"

    def together(self, open_runs: Iterable[RunRow]) -> Iterator[str]:
        """What is wrong with these, that are open at the same time."""
        going = Counter(run.backfill for run in open_runs if run.backfill is not None)
        for number, count in going.items():
            most = self.backfills[number][0] if number in self.backfills else count
            if count > most:
                yield f"{count} runs of backfill {number} are open, and {most} may be"

    # the end

    def problems(self, runs: Mapping[int, RunRow]) -> Iterator[str]:
        """What is wrong with all that was made."""
        made: dict[int, Counter[float]] = defaultdict(Counter)
        filled: dict[int, Counter[float]] = defaultdict(Counter)
        for run in runs.values():
            number = run.cause.get("schedule")
            if run.due_at is not None and run.backfill is not None:
                filled[run.backfill][run.due_at] += 1
            elif run.due_at is not None and isinstance(number, int):
                made[number][run.due_at] += run.number not in self.taken_back
        for span in self._spans:
            yield from _span_problems(span, made[span.schedule])
        for number, (_, times) in self.backfills.items():
            if filled[number] != Counter(times):
                yield f"backfill {number} for {times} made runs for {filled[number]}"


def _span_problems(span: Span, made: Counter[float]) -> Iterator[str]:
    times = span.times()
    if twice := [at for at in times if made[at] > 1]:
        yield f"schedule {span.schedule} fired twice for {twice}"
    left_out = [at for at in times if not made[at]]
    if len(left_out) != span.missed:
        what = f"left out {left_out} ({span.overlap}), and says that it missed {span.missed}"
        yield f"schedule {span.schedule} {what}"
    if span.overlap in {"allow", "queue"} and left_out != times[len(times) - len(left_out) :]:
        yield f"schedule {span.schedule} left out {left_out} in the midst of others"
