"""The cases, each as rows of the table. What cannot be measured says so in words."""

from __future__ import annotations

import signal
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace

import latency as waiting
import orchestrators
import queue_peers
import recover as recovering
import stored as storing
import throughput
from install import python_of
from ours import CHAIN, Fleet, fleet
from postgres import Postgres
from queue_peers import CELERY_POOLS, OTHERS, Peer
from servers import Missing
from table import Row

DRAIN, WHOLE, SEQUENCE = "all queued before", "from the first enqueued", "40 steps of 10 ms"
OURS = "tidemill"
OURS_HOW = "PostgreSQL and JetStream durable; 1 scheduler, 1 worker process of 32 slots"


@dataclass(frozen=True)
class Plan:
    """What is asked for. `sizes` are tasks that are stored, `backlog` those that wait."""

    tasks: int
    rounds: int
    peers: tuple[str, ...]
    sizes: tuple[int, ...]
    backlog: int
    kills: int
    rate: float = 0.0
    """Of the latency; half of what was measured, if it is 0."""


class Series(defaultdict[tuple[str, str, str, str], list[float]]):
    """Values by what they are of, in the order in which each was first measured."""

    def __init__(self) -> None:
        super().__init__(list)

    def rows(self) -> Iterator[Row]:
        for case in dict.fromkeys(case for case, *_ in self):
            for (of, what, unit, how), values in self.items():
                if of == case:
                    yield Row(case, what, unit, tuple(values), how)


def queues(plan: Plan, here: Fleet) -> Iterator[Row]:
    """No-op tasks and sequential steps: ours and the peers', round by round."""
    found = Series()
    chosen, variants = yield from _contenders(plan, here.postgres)
    for number in range(plan.rounds):
        print(f"  round {number + 1} of {plan.rounds}", flush=True)
        _ours(found, here)
        for peer in [*chosen, *(v for v in variants if number == 0 or not v.once)]:
            try:
                _peer(found, plan, peer, here.postgres)
            except Missing as error:
                yield Row("no-op tasks", peer.name, "tasks/s", (), str(error))
    yield from found.rows()


def _ours(found: Series, here: Fleet) -> None:
    timed = throughput.noop(here)
    found[f"no-op tasks, {DRAIN}", OURS, "tasks/s", OURS_HOW].append(timed.drain)
    found[f"no-op tasks, {WHOLE}", OURS, "tasks/s", OURS_HOW].append(timed.whole)
    how = "in the worker's process, 4 slots; counted in the database"
    found[SEQUENCE, OURS, "s", how].append(timed.chain)
    found[SEQUENCE, f"{OURS}, from just before the trigger", "s", how].append(timed.whole_chain)


def _peer(found: Series, plan: Plan, peer: Peer, postgres: Postgres) -> None:
    with queue_peers.at_work(peer, python_of(peer.home), postgres) as bench:
        timed = bench.measured(plan.tasks, 0 if peer.extra else CHAIN)
    how = _how(peer)
    found[f"no-op tasks, {DRAIN}", peer.name, "tasks/s", how].append(timed.drain)
    found[f"no-op tasks, {WHOLE}", peer.name, "tasks/s", how].append(timed.whole)
    if timed.chain is not None:
        found[SEQUENCE, peer.name, "s", peer.how].append(timed.chain)


def _how(peer: Peer) -> str:
    written = {"everysec": "appendonly everysec", "always": "appendonly always", "no": "memory"}
    server = {"redis": f"Redis ({written[peer.durable]})", "nats": "JetStream on files",
              "postgres": "PostgreSQL durable"}[peer.server]  # fmt: skip
    stored = "results in the object store" if peer.server == "nats" else "results stored"
    return f"{server}; {peer.how}; {stored if peer.results else 'no results'}"


def _contenders(
    plan: Plan, postgres: Postgres
) -> Generator[Row, None, tuple[list[Peer], list[Peer]]]:
    """The peers that are wanted, Celery with the pool that is quickest here; and variants."""
    chosen: list[Peer] = []
    variants: list[Peer] = []
    if "celery" in plan.peers:
        best = yield from _best_celery(plan, postgres)
        if best is not None:
            chosen.append(best)
            variants += [
                replace(best, name="celery, no results", results=False, extra=True),
                replace(best, name="celery, Redis in memory", durable="no", extra=True, once=True),
                replace(
                    best, name="celery, Redis syncs all", durable="always", extra=True, once=True
                ),
            ]
    for peer in OTHERS:
        if peer.name in plan.peers:
            chosen.append(peer)
            if peer.server != "postgres":
                name = f"{peer.name}, no results"
                variants.append(replace(peer, name=name, results=False, extra=True))
    return chosen, variants


def _best_celery(plan: Plan, postgres: Postgres) -> Generator[Row, None, Peer | None]:
    rates: dict[Peer, float] = {}
    for peer in CELERY_POOLS:
        how = f"{_how(peer)}; the best one is taken"
        try:
            with queue_peers.at_work(peer, python_of(peer.home), postgres) as bench:
                rates[peer] = bench.measured(max(plan.tasks // 5, 100), 0).whole
            yield Row("Celery's pools, once", peer.name, "tasks/s", (rates[peer],), how)
        except Missing as error:
            yield Row("Celery's pools, once", peer.name, "tasks/s", (), str(error))
    return max(rates, key=lambda peer: rates[peer], default=None)


def processes(plan: Plan, here: Fleet) -> Iterator[Row]:
    """Steps that are real processes, which the peers do not start."""
    found = [throughput.processes(here) for _ in range(plan.rounds)]
    how = "1 worker process of 4 slots"
    yield Row("`true`, a process each", OURS, "tasks/s", tuple(rate for rate, _ in found), how)
    yield Row("40 of `sleep 0.01`", OURS, "s", tuple(chain for _, chain in found), how)


def latency(plan: Plan, here: Fleet) -> Iterator[Row]:
    rate = plan.rate or throughput.noop(here).drain / 2
    waits = waiting.latency(here, rate)
    how = f"{waits.driven:,.0f} tasks/s became ready ({waits.asked:,.0f} asked for)"
    for name, value in (
        ("p50", waits.p50), ("p95", waits.p95), ("p99", waits.p99), ("max", waits.most),
    ):  # fmt: skip
        yield Row("ready to started", name, "ms", (value,), how)


def stored(plan: Plan) -> Iterator[Row]:
    first: storing.Cost | None = None
    with fleet(plan.tasks) as here:
        for cost in storing.stored(here, list(plan.sizes), plan.backlog):
            first = first or cost
            cpu, start = cost.scheduler + cost.database, first.scheduler + first.database
            how = (
                f"scheduler {cost.scheduler:.0f} + its PostgreSQL sessions {cost.database:.0f};"
                f" x{cpu / start:.2f} of the first; {cost.rate:,.0f} tasks/s,"
                f" x{cost.rate / first.rate:.2f}"
            )
            yield Row("CPU a task, with tasks stored", cost.stored, "µs", (cpu,), how)


def recover(plan: Plan) -> Iterator[Row]:
    with fleet(plan.tasks, recovering.LEASE) as here:
        after = tuple(recovering.worker(here, plan.kills))
        how = f"from the kill to the next attempt, less the lease of {recovering.LEASE:g} s"
        yield Row("kill -9 of a worker", "steps at work again", "s", after, how)
        gaps = recovering.scheduler(here)
        how = f"longest gap between two starts ({gaps.calm:.2f} s before); 1 of 2"
        yield Row("kill -9 of a scheduler", "starts", "s", (gaps.start,), how)
        how = "longest time from a step's end until it was booked"
        yield Row("kill -9 of a scheduler", "results", "s", (gaps.booked,), how)
        how = "ended well, but booked too late: tried again"
        yield Row("kill -9 of a scheduler", "done again", "steps", (gaps.again,), how)
        for name, number in (("stopped", signal.SIGINT), ("killed", signal.SIGQUIT)):
            away, again = recovering.postgres(here, number)
            how = f"from when it was back to the first booking; it was away for {away:.2f} s"
            yield Row(f"PostgreSQL {name}", "work goes on", "s", (again,), how)


def orchestra(plan: Plan, postgres: Postgres) -> Iterator[Row]:
    """Prefect and Airflow, which are made for such chains; Airflow once, since it is slow."""
    if "prefect" in plan.peers:
        try:
            values: Sequence[float] = orchestrators.prefect(CHAIN, plan.rounds)
            yield Row(SEQUENCE, "prefect", "s", tuple(values), "its own server with SQLite")
        except Missing as error:
            yield Row(SEQUENCE, "prefect", "s", (), str(error))
    if "airflow" in plan.peers:
        try:
            value = orchestrators.airflow(CHAIN, postgres)
            how = "standalone, LocalExecutor, PostgreSQL"
            yield Row(SEQUENCE, "airflow", "s", (value,), how)
        except Missing as error:
            yield Row(SEQUENCE, "airflow", "s", (), str(error))
