"""Why no worker could ever take a step, in words: what is missing, and who comes nearest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from tidelang.values import size_text, to_text
from tidemill.model.placement import Wants, could_fit, has_room
from tidemill.model.rows import WorkerRow

PREFIX = "cannot be placed: "
"""What the detail of a task begins with that is ready and can go nowhere."""

_SIZES = frozenset({"memory", "disk"})


def amount_text(name: str, amount: float) -> str:
    """`memory 64GiB`, `cpu 2`."""
    return f"{name} {size_text(int(amount)) if name in _SIZES else number_text(amount)}"


def number_text(amount: float) -> str:
    return to_text(int(amount) if amount == int(amount) else amount)


def unplaceable(workers: Collection[WorkerRow], wants: Wants) -> str | None:
    """Why none of these could take it, even if they had nothing else to do; None where one
    could. Those that are draining take nothing."""
    taking = [worker for worker in workers if not worker.draining]
    why = _missing(taking, wants)
    if why is None:
        return None
    if any(_suits(worker, wants) for worker in workers):
        return f"{PREFIX}every worker that fits is cordoned or draining"
    return PREFIX + why


def _suits(worker: WorkerRow, wants: Wants) -> bool:
    return could_fit(worker, wants) and (not wants.regions or worker.region in wants.regions)


def _missing(workers: Collection[WorkerRow], wants: Wants) -> str | None:
    """Each thing that is wanted leaves fewer of them: said is what leaves none."""
    left = [worker for worker in workers if worker.pool == wants.pool]
    if not left:
        others = sorted({worker.pool for worker in workers})
        there = f"; there are pools {', '.join(others)}" if others else ""
        return f"there is no worker of pool {wants.pool}{there}"
    who = f"no worker of pool {wants.pool}"
    if wants.regions:
        regions = sorted({worker.region or "none" for worker in left})
        left = [worker for worker in left if worker.region in wants.regions]
        if not left:
            wanted = " or ".join(wants.regions)
            return f"{who} is in region {wanted}; their regions: {', '.join(regions)}"
        who += f" in region {' or '.join(wants.regions)}"
    return _without_labels(left, wants, who) or _without_resources(left, wants, who)


def _without_labels(left: list[WorkerRow], wants: Wants, who: str) -> str | None:
    fitting = [worker for worker in left if wants.labels.items() <= worker.labels.items()]
    if fitting:
        left[:] = fitting
        return None
    near = min(left, key=lambda w: (len(wants.labels.items() - w.labels.items()), w.name))
    wanted = _all_of(f"{name} = {value}" for name, value in sorted(wants.labels.items()))
    lacking = sorted(name for name, _ in wants.labels.items() - near.labels.items())
    has = _all_of(_label(near, name) for name in lacking)
    return (
        f"{who} has label{'s' * (len(wants.labels) > 1)} {wanted}; the nearest, {near.name}, {has}"
    )


def _label(worker: WorkerRow, name: str) -> str:
    return f"has {name} = {worker.labels[name]}" if name in worker.labels else f"has no {name}"


def _without_resources(left: Sequence[WorkerRow], wants: Wants, who: str) -> str | None:
    if wants.labels:
        who += " with these labels"
    for name, amount in sorted(wants.resources.items()):
        most = max(worker.resources.get(name, 0.0) for worker in left)
        if not has_room({name: most}, {}, {name: amount}):
            there = f"the largest has {_size(name, most)}" if most else "none has any"
            return f"{who} has {amount_text(name, amount)}; {there}"
    if any(has_room(worker.resources, {}, wants.resources) for worker in left):
        return None
    near = min(left, key=_lack_of(wants))
    wanted = _all_of(amount_text(*item) for item in sorted(wants.resources.items()))
    has = _all_of(
        amount_text(name, near.resources.get(name, 0.0)) for name in sorted(wants.resources)
    )
    return f"{who} has {wanted} at once; the nearest, {near.name}, has {has}"


def _size(name: str, amount: float) -> str:
    return amount_text(name, amount).removeprefix(f"{name} ")


def _lack_of(wants: Wants) -> Callable[[WorkerRow], tuple[float, str]]:
    def lack(worker: WorkerRow) -> tuple[float, str]:
        parts = (
            max(amount - worker.resources.get(name, 0.0), 0.0) / amount
            for name, amount in wants.resources.items()
        )
        return sum(parts), worker.name

    return lack


def _all_of(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def used_text(used: Mapping[str, float], total: Mapping[str, float]) -> list[str]:
    """`cpu 2/8`, `memory 1GiB/32GiB`, of all that a worker has."""
    return [
        f"{name} {_size(name, used.get(name, 0.0))}/{_size(name, amount)}"
        for name, amount in sorted(total.items())
    ]
