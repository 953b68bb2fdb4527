"""The network between nodes and the server: messages that are late, lost, repeated, cut
off, or that come long after everybody has ceased to wait for them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tidemill.testing.simulation.nodes import Node

T = TypeVar("T")

ANSWER_SECONDS = 2.0
"""How long an answer is waited for."""

SURVIVES = 0.3
"""How likely it is that what is sent into a cut comes through when that is over."""


@dataclass(slots=True)
class Network:
    """`trouble` is how likely it is that a message is slow, repeated or overtaken; until
    `frozen_until` the server stands still."""

    loop: asyncio.AbstractEventLoop
    dice: random.Random
    trouble: float = 0.0
    frozen_until: float = 0.0

    def delay(self) -> float:
        random_ = self.dice.random
        slow = self.trouble and random_() < self.trouble
        seconds = self.dice.expovariate(2) if slow else 0.0002 + 0.0038 * random_()
        still = self.frozen_until - self.loop.time()
        return seconds + still if still > 0 else seconds

    def happens(self, part: float = 1.0) -> bool:
        """Whether trouble comes, `part` as often as it might."""
        return bool(self.trouble) and self.dice.random() < self.trouble * part

    # from nodes to the server

    def ask(self, node: Node, effect: Callable[[], T]) -> asyncio.Future[T | None]:
        """A request to the server and its answer; None where no answer comes, which does
        not mean that nothing was done, or will not be."""
        request = _Request(self, node, effect)
        if not self._sent(node, request.arrive):
            request.expire()
        return request.answer

    def tell(self, node: Node, effect: Callable[[], object]) -> None:
        """The same without an answer."""
        self._sent(node, effect)

    def _sent(self, node: Node, arrive: Callable[[], object]) -> bool:
        """Sends it; False if it may never arrive."""
        if not node.up or self.happens(0.25):
            return False
        if node.mute:
            if self.dice.random() < SURVIVES:
                node.keep_unsent(lambda: self._on_its_way(arrive))
            return False
        self._on_its_way(arrive)
        return True

    def _on_its_way(self, arrive: Callable[[], object]) -> None:
        self.loop.call_later(self.delay(), arrive)

    # from the server to nodes

    def deliver(self, node: Node, call: Callable[[], None]) -> None:
        """To a node, if it can be reached when the message gets there."""
        if self.happens(0.25):
            return
        self.loop.call_later(self.delay(), self._come, node, call)

    def _come(self, node: Node, call: Callable[[], None]) -> None:
        if not node.deaf:
            node.run(call)
        elif self.dice.random() < SURVIVES:
            node.keep_unheard(call)

    # from nodes to nodes

    def say(self, sender: Node, node: Node, call: Callable[[], None]) -> None:
        """Through the server, which keeps nothing of it."""
        self._sent(sender, lambda: self.deliver(node, call))

    async def pass_time(self, node: Node, seconds: float) -> None:
        """Waits, as the node sees it: longer where it stands still."""
        woken: asyncio.Future[None] = self.loop.create_future()
        self.loop.call_later(seconds, node.run, lambda: _wake(woken))
        await woken


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _Request(Generic[T]):
    """One request, and whether its answer comes in time."""

    __slots__ = ("_effect", "_network", "_node", "_until", "answer")

    def __init__(self, network: Network, node: Node, effect: Callable[[], T]) -> None:
        self._network, self._node, self._effect = network, node, effect
        self._until = network.loop.time() + ANSWER_SECONDS
        self.answer: asyncio.Future[T | None] = network.loop.create_future()

    def arrive(self) -> None:
        found = self._effect()
        loop = self._network.loop
        delay = self._network.delay()
        if loop.time() + delay > self._until or self._network.happens(0.25):
            self.expire()
        else:
            loop.call_later(delay, self._come, found)

    def _come(self, found: T) -> None:
        if self._node.deaf:
            self.expire()
        else:
            self._node.run(lambda: self._settle(found))

    def expire(self) -> None:
        """The node waits until it waits no longer."""
        left = max(self._until - self._network.loop.time(), 0)
        self._network.loop.call_later(left, self._node.run, lambda: self._settle(None))

    def _settle(self, found: T | None) -> None:
        if not self.answer.done():
            self.answer.set_result(found)
