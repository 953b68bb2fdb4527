"""The rule of `tests/conftest.py`: what is skipped elsewhere fails in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
SKIPS = {
    "mark": "import pytest\n@pytest.mark.skipif(True, reason='no moon')\ndef test_a(): ...\n",
    "call": "import pytest\ndef test_a(): pytest.skip('no moon')\n",
    "fixture": (
        "import pytest\n@pytest.fixture\ndef moon(): pytest.skip('no moon')\n"
        "def test_a(moon): ...\n"
    ),
    "module": "import pytest\npytest.skip('no moon', allow_module_level=True)\n",
    "import": "import pytest\npytest.importorskip('no_such_moon', reason='no moon')\n",
}
EXPECTED_FAILURE = "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_a(): assert False\n"


def run_suite(folder: Path, ci: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST.read_text())
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return subprocess.run(
        [*command, "--continue-on-collection-errors", str(folder)],
        env=os.environ | {"CI": ci},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    for way, text in SKIPS.items():
        (tmp_path / f"test_{way}.py").write_text(text)
    return tmp_path


def test_a_skip_is_no_failure_on_a_users_machine(suite: Path) -> None:
    result = run_suite(suite, ci="")
    assert result.returncode == 0, result.stdout
    assert "5 skipped" in result.stdout


def test_every_way_to_skip_is_a_failure_in_ci(suite: Path) -> None:
    result = run_suite(suite, ci="true")
    assert result.returncode == 1, result.stdout
    assert "1 failed, 4 errors" in result.stdout  # three of them in their set-up
    assert result.stdout.count("skipped, which CI does not allow: ") >= len(SKIPS)


def test_an_expected_failure_is_not_a_skip(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(EXPECTED_FAILURE)
    result = run_suite(tmp_path, ci="true")
    assert result.returncode == 0, result.stdout
    assert "1 xfailed" in result.stdout
