"""What is asked of a transaction beside a scheduler's turn, or in only one part of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, Protocol

from tidemill.model.rows import (
    BackfillRow,
    CordonRow,
    DutyRow,
    EventLook,
    NoticeRow,
    ObservedRow,
    ObserverRow,
    Queue,
    TaskRef,
)
from tidemill.model.states import TaskState
from tidemill.model.triggers import Armed, ArrivalRow, HeldRow, TriggerRow


class BadEnd(NamedTuple):
    key: str
    state: TaskState
    exit_code: int | None
    detail: str


class Notices(Protocol):
    """What delivers notices. A notice that is *taken* is nobody else's until its `due_at`,
    and is told apart by its `tries` from what somebody else takes then."""

    def take_notices(
        self, now: float, until: float, limit: int, family: int | None = None
    ) -> list[NoticeRow]:
        """Notices that are due, of each run and block the first one that is left, with one
        try more; they are taken until that time. Of a run and those below it, if given."""

    def settle_notice(self, row: NoticeRow) -> bool:
        """Writes what became of a notice that was taken. False, and nothing is written,
        where somebody else has taken it since."""

    def revive_notices(self, numbers: Iterable[int], at: float) -> int:
        """Makes dead notices due again, as if they had never been sent; how many."""

    def next_notice(self) -> float | None:
        """When the first one is due."""

    def notices_of(self, family: int) -> list[NoticeRow]:
        """Of a run and those below it."""

    def waiting_notices(self, limit: int) -> list[NoticeRow]:
        """Those that nobody got yet, the next one to be sent first."""

    def dead_notices(self, limit: int) -> list[NoticeRow]:
        """Those that nobody got and nobody will, the latest first."""

    def bad_ends(self, run: int, limit: int) -> list[BadEnd]:
        """Tasks that ended badly, the first one first."""


class Purging(Protocol):
    """What removes old runs, with all that is theirs. A run that is *condemned*, with those
    below it, is seen by nobody any more. Families that somebody has in hand are passed
    over."""

    def pipelines_that_ran(self) -> list[str]: ...

    def ended_before_the_last(self, pipeline: str, count: int) -> float | None:
        """When the earliest of so many latest runs of a pipeline ended; None if it has had
        fewer. Runs that are part of another one do not count."""

    def expendable(self, pipeline: str, before: float) -> tuple[int, int]:
        """How many runs, and tasks of theirs, `condemn` would come to in the end."""

    def condemn(self, pipeline: str, before: float, limit: int) -> int:
        """Condemns runs that ended before this time; how many. Never one that is open, or
        has something open below it; that was retried, as long as its retry is there; the
        latest of its pipeline, or of a schedule; its latest success."""

    def is_condemned(self, run: int) -> bool: ...

    def condemned(self, limit: int) -> list[int]:
        """Condemned runs; nobody else gets them before the end of the transaction."""

    def remove(self, runs: Sequence[int], rows: int) -> int:
        """Removes at most so many rows of these runs, and the runs once that is all there
        is of them. How many it was: fewer if nothing is left."""

    def idle_definitions(self) -> list[str]:
        """The digests of definitions that no run has and no pipeline; they are kept from
        being used before the end of the transaction."""

    def used_definitions(self) -> list[str]:
        """The others."""

    def drop_definitions(self, digests: Collection[str]) -> None: ...

    def files_in_use(
        self, after: TaskRef | None, limit: int
    ) -> tuple[Collection[str], TaskRef | None]:
        """The digests of all files that the next so many tasks put out, by their numbers,
        and the last of these tasks; None if there is no further one. Outputs are taken over
        by later runs from earlier ones, so whoever goes through all misses none that was
        there when it began."""


class Events(Protocol):
    """What tells observers of events. An observer that is *held* is told by nobody else until
    `held_until`."""

    def look(self) -> EventLook:
        """How far the log goes. To be asked in a transaction that writes nothing."""

    def events(self, after: int, upto: int, limit: int) -> list[ObservedRow]:
        """Changes of state, in order; of what is still there."""

    def observer(self, plugin: str) -> ObserverRow | None: ...

    def add_observer(self, plugin: str, seq: int) -> None:
        """One that has seen all up to `seq`. Nothing, where it is there."""

    def hold_observer(
        self, plugin: str, holder: str, now: float, until: float
    ) -> ObserverRow | None:
        """Holds it, also where this one does already. None where somebody else does."""

    def move_observer(self, before: ObserverRow, after: ObserverRow) -> bool:
        """Writes how far it has come. False, and nothing is written, where somebody else holds
        it by now, or has moved it."""


class Triggers(Protocol):
    """What starts runs beside people and the clock."""

    def triggers_of(
        self, pipeline: str | None = None, *, kind: str | None = None, source: str | None = None
    ) -> list[TriggerRow]:
        """Of a pipeline, of a kind and a source, or all."""

    def add_trigger(self, row: TriggerRow) -> None: ...

    def move_trigger(self, number: int, place: int, digest: str) -> None:
        """The same trigger stands there by now."""

    def drop_trigger(self, number: int) -> None: ...

    def armed(self, sources: Collection[tuple[str, str]]) -> list[Armed]:
        """The triggers of these kinds and sources; they stay locked."""

    def armed_by_number(self, numbers: Collection[int]) -> list[Armed]:
        """The same, of these numbers."""

    def note_triggers(self, rows: Sequence[TriggerRow]) -> None:
        """Writes what became of triggers."""

    def receive(self, rows: Sequence[ArrivalRow]) -> list[bool]:
        """Stores what has arrived; whether each is new. One that came before under its key
        is not stored again."""

    def take_arrivals(self, limit: int) -> list[ArrivalRow]:
        """The first that nobody has taken, or has in hand; nobody else takes them."""

    def forget_arrivals(self, before: float, limit: int) -> None:
        """Forgets those that were taken and came before this time."""

    def held(self, keys: Collection[tuple[int, str]]) -> list[HeldRow]:
        """What these triggers, which are locked, remember of these keys."""

    def hold(self, rows: Sequence[HeldRow]) -> None:
        """Remembers this, in place of what was remembered of the same keys."""

    def due_held(self, now: float, limit: int) -> list[HeldRow]:
        """What has waited long enough. Who acts on it locks its triggers, and looks again."""

    def forget_held(self, before: float, limit: int) -> None:
        """Forgets keys that need not be remembered after this time."""


class Placement(Protocol):
    """What placing steps on workers needs."""

    def may_place(self) -> bool:
        """Whether nobody else places now; then nobody does before the end of the
        transaction."""

    def lines(self) -> list[Queue]:
        """Those that ready tasks stand in."""

    def duties(self) -> list[DutyRow]:
        """What workers have to do."""

    def cordons(self) -> list[CordonRow]: ...

    def cordon(self, row: CordonRow) -> None:
        """Stores it, in the place of an earlier one."""

    def uncordon(self, workers: Iterable[str]) -> int:
        """How many of them were cordoned."""


class Backfills(Protocol):
    """What works off backfills."""

    def add_backfill(self, row: BackfillRow) -> int:
        """Stores one and returns its number; the row's own number is ignored."""

    def backfills(self, numbers: Iterable[int]) -> list[BackfillRow]:
        """These, by number. Waits until nobody else has them in hand; they stay locked."""

    def due_backfills(self, now: float, limit: int) -> list[BackfillRow]:
        """Those that are to be looked at and that nobody else has in hand; they stay locked."""

    def save_backfill(self, row: BackfillRow) -> None: ...

    def open_runs_of_backfill(self, number: int) -> list[int]:
        """Its runs that have not ended, the first one first."""
