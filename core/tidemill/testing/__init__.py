"""The suites that show that a plugin keeps its contract: shipped, for third parties too.

A plugin's author subclasses a suite in the plugin's own tests and gets the tests that
Tidemill's plugins pass. pytest and pytest-asyncio are needed, and imported, only here.
"""

import pytest

pytest.register_assert_rewrite(
    "tidemill.testing.artifact_store",
    "tidemill.testing.broker",
    "tidemill.testing.executor",
    "tidemill.testing.notifier",
    "tidemill.testing.secret_provider",
)

from tidemill.testing.artifact_store import ArtifactStoreConformance  # noqa: E402
from tidemill.testing.executor import Bench, ExecutorConformance  # noqa: E402
from tidemill.testing.notifier import (  # noqa: E402
    Delivery,
    Mood,
    NotifierConformance,
    Receiver,
)
from tidemill.testing.secret_provider import SecretConformance  # noqa: E402

__all__ = [
    "ArtifactStoreConformance",
    "Bench",
    "Delivery",
    "ExecutorConformance",
    "Mood",
    "NotifierConformance",
    "Receiver",
    "SecretConformance",
]
