"""What the fleet does in a second, and how fast it goes from step to step."""

from __future__ import annotations

from dataclasses import dataclass

from ours import CHAIN, STEP_SECONDS, Fleet
from servers import Missing

NOOP_SLOTS = 32
SLOTS = 4


@dataclass(frozen=True)
class Timed:
    """As of a peer: tasks a second from when a scheduler has seen the run, and from just
    before it was made; seconds of the sequential steps, counted in the same two ways."""

    drain: float
    whole: float
    chain: float
    whole_chain: float


def noop(here: Fleet) -> Timed:
    """One scheduler, one worker process, whose steps start no process."""
    with here.at_work():
        here.scheduler()
        here.noop_worker(NOOP_SLOTS)
        here.run("one")
        here.run("wide")  # the peers' is the second time, too
        asked, started, ended = here.run("wide")
    with here.at_work():
        here.scheduler()
        here.noop_worker(SLOTS, "--seconds", str(STEP_SECONDS))
        here.run("one")
        chain, whole = _chain(here)
    return Timed(here.tasks / (ended - started), here.tasks / (ended - asked), chain, whole)


def processes(here: Fleet) -> tuple[float, float]:
    """`true` a second, and the sequential steps as `sleep 0.01`: with a process each."""
    with here.at_work():
        here.scheduler()
        here.worker(SLOTS)
        here.run("one")
        _, started, ended = here.run("processes")
        ((count,),) = here.query("SELECT max(size) FROM run WHERE pipeline = 'processes'")
        return count / (ended - started), _chain(here)[0]


def _chain(here: Fleet) -> tuple[float, float]:
    asked, started, ended = here.run("chain")
    if ended - started < CHAIN * STEP_SECONDS:
        raise Missing("the steps did not run one after the other")
    return ended - started, ended - asked
