"""The executor keeps the contract of executors, and its own word."""

from __future__ import annotations

import pytest

import tidemill_cell
from tidemill.spi import ExecutorType
from tidemill.testing import Bench, ExecutorConformance
from tidemill_cell.settings import CellSettings


class TestConformance(ExecutorConformance):
    def executor_type(self) -> ExecutorType:
        (executor,) = tidemill_cell.tidemill_executors()
        return executor

    @pytest.mark.asyncio
    async def test_a_step_sees_no_process_but_its_own(self, bench: Bench) -> None:
        text = await bench.text("cd /proc; ls -d [0-9]* | wc -l")
        assert int(text) < 6

    @pytest.mark.asyncio
    async def test_a_step_reaches_the_network_only_if_it_may(self, bench: Bench) -> None:
        devices = "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"
        alone = CellSettings(network=False)
        assert await bench.text(devices, settings=alone) == "lo\n"
        assert await bench.text(devices) == await bench.text(devices, settings=CellSettings())
