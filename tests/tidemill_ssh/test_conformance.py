"""The ssh executor keeps the contract of executors."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel
from sshd import Sshd

import tidemill_ssh
from tidemill.spi import ExecutorType
from tidemill.testing import ExecutorConformance


class TestSshExecutor(ExecutorConformance):
    """The host is this machine, so that tests can look at what steps leave."""

    @pytest.fixture(autouse=True)
    def host(self, sshd: Sshd, tmp_path: Path) -> None:
        self.values = sshd.settings(workdir=str(tmp_path / "project"))

    def executor_type(self) -> ExecutorType:
        (executor,) = tidemill_ssh.tidemill_executors()
        return executor

    def settings(self) -> BaseModel:
        return self.executor_type().settings.model_validate(self.values)
