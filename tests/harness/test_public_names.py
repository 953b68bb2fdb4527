"""`tidemill.testing` has its names, and imports what they need when they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tidemill.testing


@pytest.mark.parametrize("name", tidemill.testing.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(tidemill.testing, name).__doc__
    assert name in dir(tidemill.testing)


def test_a_name_that_is_not_there_is_said() -> None:
    with pytest.raises(AttributeError, match=r"'tidemill.testing' has no attribute 'Harness'"):
        tidemill.testing.Harness  # noqa: B018


@pytest.mark.parametrize("missing", ["pytest", "pytest_asyncio"])
def test_a_suite_says_what_it_needs_and_the_harness_needs_neither(missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from tidemill.testing import PipelineHarness\n"
        "try:\n    from tidemill.testing import ExecutorConformance\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    name = missing.replace("_", "-")
    said = f"tidemill.testing.ExecutorConformance needs {name}: pip install {name}\n"
    assert (done.stdout, done.stderr) == (said, "")
