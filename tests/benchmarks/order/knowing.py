"""What the scheduler knows of how long steps take: nothing, the truth in the mean, or what is
wrong. To see how much the order depends on it."""

from __future__ import annotations

import random

from order.graphs import Graph
from order.orders import Tidemill


def cold(_: Graph) -> dict[str, float]:
    """Nothing has run yet."""
    return {}


def wrong_by(factor: float) -> Tidemill:
    """Each step's mean is wrong by a factor of its own, between 1 / `factor` and `factor`."""

    def means(graph: Graph) -> dict[str, float]:
        dice = random.Random(graph.name)  # noqa: S311  no secret
        return {step: mean * factor ** dice.uniform(-1, 1) for step, mean in graph.means.items()}

    return Tidemill(means, name=f"means, each wrong by up to {factor:g} times")


def histories() -> list[Tidemill]:
    return [
        Tidemill(name="the means of many runs"),
        wrong_by(3),
        wrong_by(10),
        Tidemill(cold, name="none"),
    ]
