"""Files as people write them, each with one slip: one mistake is told, no more, and in
words that a newcomer can act on. How they read is in `one_mistake.txt`; to write it
anew after a change of wording, set TIDE_WRITE_GOLDEN and read the difference."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from spec_world import compile_on_disk

from tidelang.diagnostics import Diagnostic
from tidelang.render.terminal import render

_HERE = Path(__file__).parent
_FILES = sorted((_HERE / "one_mistake").glob("*.tide"))
_GOLDEN = _HERE / "one_mistake.txt"


def _told(file: Path) -> tuple[Diagnostic, ...]:
    return compile_on_disk(file).diagnostics


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_one_slip_is_told_once_with_what_to_do(file: Path) -> None:
    told = _told(file)
    assert len(told) == 1, render(told, color=False, width=100)
    assert told[0].fix is not None
    assert told[0].fix.message


def test_they_read_as_the_golden_text() -> None:
    shown = "\n".join(_shown(file) for file in _FILES)
    if os.environ.get("TIDE_WRITE_GOLDEN"):
        _GOLDEN.write_text(shown, "utf-8")
    assert shown == _GOLDEN.read_text("utf-8")


def _shown(file: Path) -> str:
    """As `tidemill validate` shows it to somebody who stands in the folder."""
    return render(_told(file), color=False, width=100).replace(f"{file.parent}/", "")


def test_there_are_thirty_and_more() -> None:
    assert len(_FILES) >= 30
