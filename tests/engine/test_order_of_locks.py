"""Schedulers wait for each other where runs pass a gate and where pools have slots of their own,
but never two for each other: PostgreSQL would notice after a second, and end one's turn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from turns_bench import Bench, step

from tidemill.model.messages import Report
from tidemill.model.pools import Pool
from tidemill.model.states import RunState
from tidemill.store.order import Order as OrderStatements

KINDS = ["concurrency", "queue", "pool"]


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What each turn has locked, in order."""
    turns: list[list[str]] = []
    turn, lock = Bench.turn, OrderStatements.lock

    def watched_turn(bench: Bench, *reports: Report) -> None:
        turns.append([])
        turn(bench, *reports)

    def watched_lock(tx: OrderStatements, kind: str, names: Sequence[str]) -> None:
        turns[-1] += [kind] if names else []
        lock(tx, kind, names)

    monkeypatch.setattr(Bench, "turn", watched_turn)
    monkeypatch.setattr(OrderStatements, "lock", watched_lock)
    return turns


def test_all_turns_lock_in_the_same_order_and_nothing_twice(
    tmp_path: Path, locked: list[list[str]]
) -> None:
    bench = Bench(tmp_path, slots=9, default=Pool(slots=2))
    made = []
    for _ in range(3):
        steps = step("one"), step("two"), step("end", "one")
        made += [bench.make(*steps, name=name, concurrency=1) for name in "abc"]
        bench.work()
        bench.end_all()
    while bench.work():
        bench.end_all()
    assert {bench.run(number).state for number in made} == {RunState.SUCCEEDED}
    assert {kind for kinds in locked for kind in kinds} == {"concurrency", "pool"}
    for kinds in locked:
        assert kinds == sorted(set(kinds), key=KINDS.index), "two schedulers may wait for another"
