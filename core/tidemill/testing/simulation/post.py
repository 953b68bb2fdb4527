"""The post: what people have been told, by whoever delivers it, and whether that is what
happened."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidelang.values import Value
from tidemill.model.rows import RunRow
from tidemill.model.states import RunState
from tidemill.spi import Notice, NotifyError
from tidemill.testing.simulation.network import Network
from tidemill.testing.simulation.nodes import Node

REFUSED = 0.1
"""How often a letter is not taken, while there is trouble."""

ENDS = {
    RunState.SUCCEEDED: "succeeded",
    RunState.FAILED: "failed",
    RunState.CANCELLED: "cancelled",
}


@dataclass(slots=True)
class Post:
    """All that has arrived, from whichever node."""

    network: Network
    dice: random.Random
    trouble: bool = True
    arrived: dict[int, list[str]] = field(default_factory=dict)
    """By run, the events in the order in which they were first heard of."""
    letters: int = 0

    def take(self, notice: Notice) -> None:
        if self.trouble and self.dice.random() < REFUSED:
            raise NotifyError("the post office is closed")
        self.letters += 1
        events = self.arrived.setdefault(notice.run["number"], [])
        if notice.event not in events:
            events.append(notice.event)

    def wrong(self, run: RunRow, *, started: bool) -> str | None:
        """What is wrong with what was heard of a run that has ended, if anything."""
        heard = self.arrived.get(run.number, [])
        end = ENDS[run.state]
        right = [["started", end]] if started else [["started", end], [end]]
        if heard in right:
            return None
        return f"of run {run.number}, which {run.state.value}, was heard: {', '.join(heard)}"


@dataclass(slots=True)
class PostOffice:
    """`tidemill.spi.Notifier`, and `tidemill.ports.Notifiers`, of one node."""

    post: Post
    node: Node

    async def send(self, notice: Notice, settings: Any) -> None:
        del settings
        network = self.post.network
        await network.pass_time(self.node, network.delay())
        self.post.take(notice)
        await network.pass_time(self.node, network.delay())

    def get(self, kind: str) -> PostOffice:
        del kind
        return self

    def settings(self, kind: str, values: Mapping[str, Any]) -> None:
        del kind, values

    def templates(self, kind: str) -> Mapping[str, str]:
        del kind
        return {}

    def timeout(self, kind: str) -> float:
        del kind
        return 20.0

    async def render(
        self, templates: Mapping[str, str], names: Mapping[str, Value]
    ) -> Mapping[str, str]:
        del names
        return templates

    async def close(self) -> None: ...


class NoSecrets:
    async def get(self, names: Collection[str]) -> Mapping[str, str]:
        return dict.fromkeys(names, "")
