"""What `docs/how-to/test-a-pipeline.md` shows are tests that pass."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from documents import Fenced, pieces

DOCUMENT = Path(__file__).parents[2] / "docs/how-to/test-a-pipeline.md"


def test_every_snippet_is_a_test_that_passes(tmp_path: Path) -> None:
    name, functions = "", 0
    for piece in pieces(DOCUMENT.read_text()):
        if not isinstance(piece, Fenced):
            name = piece.value
            continue
        assert name, f"nothing runs this: {piece.text}"
        (tmp_path / name).write_text(piece.text)
        functions += piece.text.count("def test_")
        name = ""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"\n{functions} passed in" in done.stdout, done.stdout + done.stderr
    assert functions > 5
