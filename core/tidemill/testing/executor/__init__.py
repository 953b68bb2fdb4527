"""The conformance suite of executors.

    from tidemill.testing import ExecutorConformance

    class TestPodman(ExecutorConformance):
        def executor_type(self):
            return tidemill_podman.EXECUTOR

        def settings(self):
            return PodmanSettings(image="debian:stable-slim")

Steps of the suite need a POSIX `sh`, `cat`, `sleep` and `env`, and nothing else.
"""

from tidemill.testing.executor.bench import Bench, Running
from tidemill.testing.executor.suite import ExecutorConformance

__all__ = ["Bench", "ExecutorConformance", "Running"]
