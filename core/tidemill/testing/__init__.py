"""What tests of pipelines and of plugins are made with: shipped, for third parties too.

For pipelines: `PipelineHarness`, which runs one in process, with its steps mocked and no
time passing. For plugins: the suites that show that a plugin keeps its contract. A plugin's
author subclasses a suite in the plugin's own tests and gets the tests that Tidemill's
plugins pass. The suites need pytest and pytest-asyncio, and nothing else does: each name is
imported when it is used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidemill.testing.artifact_store import ArtifactStoreConformance
    from tidemill.testing.executor import Bench, ExecutorConformance
    from tidemill.testing.harness import (
        Call,
        Ends,
        HarnessError,
        PipelineHarness,
        RunResult,
        StepResult,
    )
    from tidemill.testing.notifier import Delivery, Mood, NotifierConformance, Receiver
    from tidemill.testing.secret_provider import SecretConformance

__all__ = [
    "ArtifactStoreConformance",
    "Bench",
    "Call",
    "Delivery",
    "Ends",
    "ExecutorConformance",
    "HarnessError",
    "Mood",
    "NotifierConformance",
    "PipelineHarness",
    "Receiver",
    "RunResult",
    "SecretConformance",
    "StepResult",
]

_SUITES = {
    "ArtifactStoreConformance": "artifact_store",
    "Bench": "executor",
    "Delivery": "notifier",
    "ExecutorConformance": "executor",
    "Mood": "notifier",
    "NotifierConformance": "notifier",
    "Receiver": "notifier",
    "SecretConformance": "secret_provider",
    # A line here, one in `__all__` and an import above make a suite public.
}

_NAMES = {
    "Call": "harness",
    "Ends": "harness",
    "HarnessError": "harness",
    "PipelineHarness": "harness",
    "RunResult": "harness",
    "StepResult": "harness",
}

_SHARED = ("broker", "notices", "purging", "store")
"""Modules with asserts that only Tidemill's own tests use."""

if sys.modules.get("pytest"):  # so that their failures show what was compared
    import pytest

    pytest.register_assert_rewrite(
        *dict.fromkeys(f"{__name__}.{module}" for module in (*_SUITES.values(), *_SHARED))
    )


def __getattr__(name: str) -> Any:
    module = _SUITES.get(name) or _NAMES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{module}"), name)
    except ModuleNotFoundError as error:
        if error.name not in {"pytest", "pytest_asyncio"}:
            raise
        missing = error.name.replace("_", "-")
        raise ImportError(f"{__name__}.{name} needs {missing}: pip install {missing}") from error


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
