"""How long it takes until work goes on, when a part of the fleet is killed under it."""

from __future__ import annotations

import itertools
import signal
import time
from dataclasses import dataclass

from ours import Fleet
from servers import until

LEASE = 5.0
HELD = 4
STEP = "0.02"
"""Seconds that each of the 2,000 steps of `steady` takes: four at a time, so that there is
work for more than 10 s a run."""

CALM = 3.0
"""Seconds of undisturbed work, to compare with."""

AFTER = 14.0
"""Seconds that are looked at after the kill."""


@dataclass(frozen=True)
class Gaps:
    """Seconds: the longest without any start, before the kill and from it on; and the longest
    that a result waited to be booked. `again` is how many steps were done once more, since
    their results came too late."""

    calm: float
    start: float
    booked: float
    again: int


def worker(here: Fleet, times: int) -> list[float]:
    """Seconds from the kill of a worker to the next attempt of each step that it held, less
    the lease. Below zero: its last heartbeat was before the kill."""
    with here.at_work():
        here.scheduler()
        victim = here.worker(HELD)
        here.run("one")
        found: list[float] = []
        for _ in range(times):
            run = here.trigger("held")
            _at_work(here, run, number=1)
            heir = here.worker(HELD)
            _there(here, 2)
            killed = time.time()
            victim.kill()
            _at_work(here, run, number=2)
            starts = here.query(f"SELECT started_at FROM attempt WHERE run = {run} AND number = 2")
            found += [start - killed - here.lease for (start,) in starts]
            _cancel(here, run)
            victim = heir
        return found


def scheduler(here: Fleet) -> Gaps:
    """One of two schedulers is killed under steady work."""
    with here.at_work():
        victim = here.scheduler()
        here.scheduler()
        runs = [_steady_work(here), here.trigger("steady")]
        time.sleep(CALM)
        killed = time.time()
        victim.kill()
        time.sleep(AFTER)
        for run in runs:
            here.ended(run)
        return Gaps(
            _longest_gap(here, killed - CALM, killed),
            _longest_gap(here, killed - 0.1, killed + AFTER),
            _longest_booking(here, killed),
            _done_again(here, runs),
        )


def postgres(here: Fleet, number: signal.Signals) -> tuple[float, float]:
    """PostgreSQL is stopped and started again under steady work: how long it was away, and
    how long after it was back the first result was booked."""
    with here.at_work():
        here.scheduler()
        run = _steady_work(here)
        stopped = time.time()
        here.postgres.end(number)
        here.postgres.start()
        back = time.time()
        booked = f"SELECT min(at) FROM outbox WHERE at > {back} AND kind = 'task'"
        until(lambda: here.query(booked)[0][0] is not None, "the first that is booked")
        ((first,),) = here.query(booked)
        _cancel(here, run)
        return back - stopped, first - back


def _steady_work(here: Fleet) -> int:
    here.noop_worker(HELD, "--seconds", STEP)
    here.run("one")
    run = here.trigger("steady")
    until(lambda: _started(here, run, number=1) > 100, "work")
    return run


def _at_work(here: Fleet, run: int, number: int) -> None:
    until(lambda: _started(here, run, number) == HELD, f"all attempts of number {number}")


def _started(here: Fleet, run: int, number: int) -> int:
    started = f"run = {run} AND number = {number} AND started_at IS NOT NULL"
    return int(here.query(f"SELECT count(*) FROM attempt WHERE {started}")[0][0])


def _there(here: Fleet, count: int) -> None:
    heard = f"SELECT count(*) FROM worker WHERE heard_at > {time.time() - LEASE}"
    until(lambda: here.query(heard)[0][0] >= count, "the other worker")


def _cancel(here: Fleet, run: int) -> None:
    here.tidemill("cancel", str(run))
    state = f"SELECT state FROM run WHERE number = {run}"
    until(lambda: here.query(state)[0][0] == "cancelled", f"the end of run {run}")


def _longest_gap(here: Fleet, since: float, end: float) -> float:
    starts = here.query(
        f"SELECT started_at FROM attempt WHERE started_at BETWEEN {since} AND {end}"
        " ORDER BY started_at"
    )
    moments = [since, *(start for (start,) in starts), end]
    return max(after - before for before, after in itertools.pairwise(moments))


def _longest_booking(here: Fleet, killed: float) -> float:
    """Of the results that came from just before the kill on."""
    ((most,),) = here.query(
        "SELECT max(outbox.at - attempt.ended_at) FROM attempt JOIN outbox USING (run, ordinal)"
        " WHERE outbox.kind = 'task' AND outbox.data ->> 'state' = 'succeeded'"
        f" AND attempt.ended_at > {killed} - 1"
    )
    return float(most)


def _done_again(here: Fleet, runs: list[int]) -> int:
    ((count,),) = here.query(
        "SELECT count(*) FROM outbox WHERE kind = 'refused' AND data ->> 'what' = 'exited'"
        f" AND run BETWEEN {runs[0]} AND {runs[-1]}"
    )
    return int(count)
