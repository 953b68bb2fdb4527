"""Which worker a step goes to: beside every worker that there is, tried one by one."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tidelang.definition import Approval, Argv, Step
from tidemill.model.placement import (
    IDLE,
    PLACED,
    Load,
    Wants,
    choose,
    could_fit,
    fits,
    lane_of,
    nearest,
    reach,
    wants_of,
)
from tidemill.model.rows import WorkerRow
from tidemill.model.unplaceable import unplaceable

NAMES = ("cpu", "memory", "gpu")
REGIONS = ("eu", "us", "ap")
GIB = 1 << 30

_amounts = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 4).map(float))
_labels = st.dictionaries(st.sampled_from(("os", "arch")), st.sampled_from(("a", "b")))
_pools = st.sampled_from(("default", "gpu"))
_workers = st.lists(
    st.builds(
        WorkerRow,
        st.uuids().map(str), _pools, st.integers(1, 3), st.sampled_from(REGIONS), _labels,
        st.booleans(), st.just(0.0), _amounts,
    ),
    max_size=6,
)  # fmt: skip
_wanted = _amounts.map(lambda found: {name: amount for name, amount in found.items() if amount})
_wants = st.builds(
    Wants, _pools, _wanted, _labels, st.lists(st.sampled_from(REGIONS), unique=True).map(tuple)
)
_loads = st.lists(st.builds(Load, _amounts, st.integers(0, 3), st.integers(0, 3)), min_size=6)


def really_fits(worker: WorkerRow, load: Load, wants: Wants) -> bool:
    """Said again, in other words."""
    if worker.pool != wants.pool or load.steps >= worker.slots:
        return False
    for name, value in wants.labels.items():
        if worker.labels.get(name) != value:
            return False
    for name, amount in wants.resources.items():
        if worker.resources.get(name, 0) - load.used.get(name, 0) < amount:
            return False
    return True


@given(_workers, _loads, _wants)
def test_the_chosen_one_fits_in_the_first_region_where_any_does(
    workers: list[WorkerRow], given_loads: list[Load], wants: Wants
) -> None:
    loads = {worker.name: load for worker, load in zip(workers, given_loads, strict=False)}
    regions = wants.regions or None
    fitting = [w for w in workers if really_fits(w, loads[w.name], wants)]
    allowed = [w for w in fitting if regions is None or w.region in regions]
    chosen = choose(workers, loads, wants, regions)
    if chosen is None:
        assert not allowed
        return
    assert chosen in allowed
    if regions is not None:
        first = min(regions.index(worker.region) for worker in allowed)
        assert chosen.region == regions[first]
        allowed = [worker for worker in allowed if worker.region == chosen.region]
    free = [worker for worker in allowed if loads[worker.name].busy < worker.slots]
    assert not free or chosen in free, "one with a free slot comes first"
    if "gpu" not in wants.resources and any("gpu" not in w.resources for w in free):
        assert "gpu" not in chosen.resources, "nobody's GPU is taken for what needs none"


@given(_workers, _loads, _wants)
def test_of_equals_the_one_with_the_least_left_over_is_chosen(
    workers: list[WorkerRow], given_loads: list[Load], wants: Wants
) -> None:
    def left(worker: WorkerRow) -> float:
        used = loads[worker.name].used
        return sum(
            (worker.resources[n] - used.get(n, 0) - a) / worker.resources[n]
            for n, a in wants.resources.items()
        )

    equals = [w._replace(region="eu", resources=dict.fromkeys(NAMES, 4.0)) for w in workers]
    loads = {w.name: load for w, load in zip(equals, given_loads, strict=False)}
    loads = {name: load.__class__(load.used, load.steps, 0) for name, load in loads.items()}
    chosen = choose(equals, loads, wants)
    if chosen is not None:
        fitting = [w for w in equals if really_fits(w, loads[w.name], wants)]
        assert left(chosen) <= min(map(left, fitting)) + 1e-6


@given(_workers, _loads, _wants)
def test_there_is_a_nearest_worker_where_any_could_ever_fit(
    workers: list[WorkerRow], given_loads: list[Load], wants: Wants
) -> None:
    loads = {worker.name: load for worker, load in zip(workers, given_loads, strict=False)}
    able = [w for w in workers if really_fits(w, IDLE, wants)]
    found = nearest(workers, loads, wants)
    assert found in able if able else found is None
    if any(fits(w, loads[w.name], wants) for w in able):
        assert found is not None
        assert fits(found, loads[found.name], wants)


@given(_workers, _wants)
def test_it_is_said_that_nobody_could_take_it_where_that_is_so_and_only_there(
    workers: list[WorkerRow], wants: Wants
) -> None:
    able = [
        worker
        for worker in workers
        if not worker.draining
        and really_fits(worker, IDLE, wants)
        and (not wants.regions or worker.region in wants.regions)
    ]
    assert (unplaceable(workers, wants) is None) is bool(able)


@given(_workers, _wants, st.lists(st.floats(0, 200), min_size=2))
def test_regions_open_one_after_the_other_and_never_close(
    workers: list[WorkerRow], wants: Wants, times: list[float]
) -> None:
    able = [worker for worker in workers if could_fit(worker, wants)]
    reached = [reach(able, wants, waited, 30.0) for waited in sorted(times)]
    for earlier, later in pairwise(reached):
        if wants.regions:
            assert earlier.regions
            assert later.regions
            assert later.regions[: len(earlier.regions)] == earlier.regions
    for waited, (regions, more_in) in zip(sorted(times), reached, strict=True):
        if not wants.regions:
            assert regions is None
            continue
        assert regions is not None
        empty = [r for r in wants.regions if all(w.region != r for w in able)]
        before = [r for r in regions[:-1] if r not in empty]
        assert waited >= 30.0 * len(before), "nobody goes further before the wait is over"
        if more_in is not None:
            opened = reach(able, wants, waited + more_in + 1e-6, 30.0)
            assert opened.regions is not None
            assert len(opened.regions) > len(regions)
        else:
            assert regions == wants.regions


def _step(**fields: object) -> Step:
    return Step("s", Argv((("lit", "true"),)), **fields)  # type: ignore[arg-type]


def test_steps_that_want_the_same_stand_in_one_line() -> None:
    one = _step(resources=(("cpu", 1.0), ("gpu", 0)), labels=(("os", "a"),))
    same = _step(resources=(("cpu", 1),), labels=(("os", "a"),), priority="high")
    other = _step(resources=(("cpu", 1.0),), labels=(("os", "b"),))
    assert lane_of(one) == lane_of(same) != lane_of(other)
    assert PLACED <= (lane_of(one) or 0) < 1 << 31


def test_steps_that_want_nothing_are_not_placed() -> None:
    assert wants_of(_step()) is wants_of(_step(resources=(("gpu", 0),))) is None
    asks = Step("s", Approval(("lit", "?")), labels=(("os", "a"),))
    assert wants_of(asks) is lane_of(asks) is None


def test_ten_tenths_are_a_whole() -> None:
    worker = WorkerRow("w", "default", 20, "", {}, False, 0.0, {"cpu": 1.0})
    wants, load = Wants("default", {"cpu": 0.1}), IDLE
    for _ in range(10):
        assert fits(worker, load, wants)
        load = load.with_one_more(wants)
    assert not fits(worker, load, wants)


def _worker(name: str, **fields: object) -> WorkerRow:
    row = WorkerRow(
        name, "gpu", 1, "eu", {"os": "linux"}, False, 0.0, {"cpu": 4.0, "memory": 32.0 * GIB}
    )
    return row._replace(**fields)


def test_what_is_missing_is_said_in_words() -> None:
    workers = [
        _worker("w1"),
        _worker("w2", region="us", labels={"os": "linux", "arch": "arm"}, resources={"cpu": 16.0}),
    ]

    def said(**wants: object) -> str | None:
        found = unplaceable(workers, Wants("gpu", **wants))  # type: ignore[arg-type]
        return found and found.removeprefix("cannot be placed: ")

    assert said(resources={"cpu": 8.0}) is None
    assert said(resources={"memory": 64.0 * GIB}) == (
        "no worker of pool gpu has memory 64GiB; the largest has 32GiB"
    )
    assert said(resources={"gpu": 1.0}) == "no worker of pool gpu has gpu 1; none has any"
    assert said(resources={"cpu": 8.0, "memory": 1.0 * GIB}) == (
        "no worker of pool gpu has cpu 8 and memory 1GiB at once; the nearest, w1, has cpu 4 and"
        " memory 32GiB"
    )
    assert said(labels={"arch": "x86", "os": "linux"}) == (
        "no worker of pool gpu has labels arch = x86 and os = linux; the nearest, w1, has no arch"
    )
    assert said(regions=("ap", "me")) == (
        "no worker of pool gpu is in region ap or me; their regions: eu, us"
    )
    assert said(regions=("eu",), labels={"os": "linux"}, resources={"cpu": 8.0}) == (
        "no worker of pool gpu in region eu with these labels has cpu 8; the largest has 4"
    )
    assert unplaceable(workers, Wants("tpu")) == (
        "cannot be placed: there is no worker of pool tpu; there are pools gpu"
    )
    workers[1] = workers[1]._replace(draining=True)
    assert said(resources={"cpu": 8.0}) == "every worker that fits is cordoned or draining"
