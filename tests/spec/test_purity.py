"""The same files give the same definition, byte for byte, in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SUPPORT = HERE.parent / "support"


def _digests(**environment: str) -> list[str]:
    """Those of all tests here, as another process works them out."""
    ended = subprocess.run(
        [sys.executable, str(SUPPORT / "spec_digests.py"), str(HERE)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.splitlines()


def test_neither_hashes_nor_the_environment_reach_a_definition() -> None:
    one = _digests(PYTHONHASHSEED="1", TZ="UTC", LC_ALL="C.UTF-8", HOME="/nowhere")
    other = _digests(PYTHONHASHSEED="2", TZ="Asia/Tokyo", LC_ALL="C", DEPLOY="me")
    assert len(one) > 100
    assert one == other
