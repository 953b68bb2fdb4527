"""The Docker executor keeps the contract of executors, on a real engine."""

from __future__ import annotations

import os

import docker_images
import pytest
from docker_engine import Engine

import tidemill_docker
from tidemill.spi import ExecutorType
from tidemill.testing import ExecutorConformance


class TestDockerExecutor(ExecutorConformance):
    @pytest.fixture(autouse=True)
    def _engine(self, engine: Engine) -> None:
        """Every test has it, and leaves no container in it."""

    def executor_type(self) -> ExecutorType:
        (executor,) = tidemill_docker.tidemill_executors()
        return executor

    def settings(self) -> tidemill_docker.DockerSettings:
        """As the user of this process, whose the project is; root's has no capability."""
        user = f"{os.getuid()}:{os.getgid()}"
        return tidemill_docker.DockerSettings(
            image=docker_images.DEBIAN, pull="never", user=user, memory="512MB"
        )
