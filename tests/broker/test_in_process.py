"""The broker for one process keeps what every broker promises."""

from __future__ import annotations

import pytest

from tidemill.broker.in_process import ACK_WAIT, InProcessBroker
from tidemill.model.messages import Output
from tidemill.ports import Broker
from tidemill.testing.broker import BrokerConformance
from tidemill.testing.clock import VirtualClock


class TestInProcessBroker(BrokerConformance):
    ack_wait = ACK_WAIT

    @pytest.fixture
    def broker(self, clock: VirtualClock) -> InProcessBroker:
        return InProcessBroker(clock)

    async def take_over(self, broker: Broker) -> None:
        assert isinstance(broker, InProcessBroker)
        broker.redeliver()


async def test_output_reaches_the_listener_at_once() -> None:
    heard: list[Output] = []
    broker = InProcessBroker(VirtualClock(), heard.append)
    broker.emit(Output(1, 0, "a", 1, "line\n"))
    assert heard == [Output(1, 0, "a", 1, "line\n")]
