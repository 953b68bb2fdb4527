"""The local executor keeps the contract of executors."""

from __future__ import annotations

import tidemill_local
from tidemill.spi import ExecutorType
from tidemill.testing import ExecutorConformance


class TestLocalExecutor(ExecutorConformance):
    def executor_type(self) -> ExecutorType:
        (executor,) = tidemill_local.tidemill_executors()
        return executor
