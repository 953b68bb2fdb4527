"""Who goes first."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.model.line import AGEING, Line, place_of, rank_of, start_of


@dataclass
class Pool:
    """One line and its slots, served by a clock of its own: an independent little world."""

    slots: int = 1

    def __post_init__(self) -> None:
        self.line = Line()
        self.waiting: list[tuple[float, int, str, int, float]] = []
        self.made = 0

    def add(
        self, pipeline: str, rank: int, now: float, length: float = 10.0, slack: float = 0.0
    ) -> int:
        start = self.line.join(pipeline, rank, now, length / self.slots)
        self.made += 1
        entry = (place_of(start, rank, slack), self.made, pipeline, rank, length)
        heapq.heappush(self.waiting, entry)
        return self.made

    def serve(self) -> tuple[int, str, float]:
        place, number, pipeline, rank, length = heapq.heappop(self.waiting)
        self.line.served(rank, start_of(place, rank))
        if not self.waiting:
            self.line.empty()
        return number, pipeline, length


def test_a_higher_priority_goes_first() -> None:
    pool = Pool()
    low = pool.add("p", 3, 0)
    high = pool.add("p", 1, 5)
    assert [pool.serve()[0], pool.serve()[0]] == [high, low]


def test_within_a_priority_the_first_one_goes_first() -> None:
    pool = Pool()
    numbers = [pool.add("p", 2, at) for at in (0, 1, 2)]
    assert [pool.serve()[0] for _ in numbers] == numbers


def test_a_pipeline_with_one_task_does_not_wait_for_anothers_flood() -> None:
    pool = Pool()
    for _ in range(1000):
        pool.add("flood", 2, 0)
    for _ in range(10):
        pool.serve()
    one = pool.add("small", 2, 100)
    served = [pool.serve()[0] for _ in range(3)]
    assert one in served


def test_floods_share_the_slots_by_the_time_that_they_take() -> None:
    pool = Pool()
    for _ in range(40):  # within the bound that a flood can add
        pool.add("long", 2, 0, length=10)
    for _ in range(200):
        pool.add("short", 2, 0, length=2)
    seconds = {"long": 0.0, "short": 0.0}
    for _ in range(120):
        _, pipeline, length = pool.serve()
        seconds[pipeline] += length
    assert abs(seconds["long"] - seconds["short"]) <= 20


def test_who_took_idle_slots_does_not_pay_for_it_later() -> None:
    """Start-time fair queueing against a virtual clock: a past alone is no debt."""
    pool = Pool()
    for _ in range(30):
        pool.add("early", 2, 0)
    for _ in range(20):
        pool.serve()
    for _ in range(10):
        pool.add("late", 2, 200)
    first = [pool.serve()[1] for _ in range(10)]
    assert 4 <= first.count("early") <= 6


def test_what_is_on_the_critical_path_goes_before_what_has_slack() -> None:
    pool = Pool()
    idle = pool.add("p", 2, 0, slack=100)
    critical = pool.add("p", 2, 1, slack=0)
    assert [pool.serve()[0], pool.serve()[0]] == [critical, idle]


def test_a_raised_run_is_never_above_the_highest_priority() -> None:
    assert [rank_of(4, 1), rank_of(0, 2), rank_of(2)] == [3, 0, 2]


_TASKS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 4),
        st.floats(0, 200),
        st.floats(0.01, 3000),
        st.floats(0, 5000),
        st.booleans(),
    ),
    max_size=60,
)


@given(_TASKS)
@settings(max_examples=300)
def test_nobody_goes_before_one_who_waits_for_longer_than_the_bound(
    tasks: list[tuple[str, int, float, float, float, bool]],
) -> None:
    """Whatever arrives and is served meanwhile."""
    pool, now = Pool(), 0.0
    places: list[tuple[float, int, float]] = []
    for pipeline, rank, pause, length, slack, serve in tasks:
        now += pause
        start = pool.line.join(pipeline, rank, now, length)
        places.append((now, rank, place_of(start, rank, slack)))
        if serve:
            pool.line.served(rank, start)
    for at, rank, place in places:
        for later, _, other in places:
            if later > at + (rank + 3) * AGEING:
                assert other >= place


@given(st.floats(0, 1e9), st.integers(0, 4), st.floats(0, 1e4))
def test_the_start_can_be_told_from_the_place(start: float, rank: int, slack: float) -> None:
    assert abs(start_of(place_of(start, rank, slack), rank, slack) - start) < 1e-5
