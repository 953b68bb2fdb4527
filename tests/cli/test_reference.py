"""The reference page says what the commands say."""

from __future__ import annotations

import re
from pathlib import Path

from tidemill.cli.display.outlet import LIMIT
from tidemill.cli.reference import renewed
from tidemill.cli.shapes import run_shape, task_shape
from tidemill.model.states import RunState, TaskState
from tidemill.model.views import RunView, TaskView

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def test_the_page_is_fresh() -> None:
    text = PAGE.read_text("utf-8")
    assert renewed(text) == text, "run: python -m tidemill.cli.reference docs/reference/cli.md"


def test_the_page_lists_every_field_and_state(a_run: RunView) -> None:
    text = PAGE.read_text("utf-8")
    task = TaskView("a", "a", TaskState.READY)
    assert f"`{' '.join(run_shape(a_run))}`" in text
    assert f"`run {' '.join(task_shape(task))}`" in text
    assert f"`{' '.join(RunState)}`" in text
    assert f"`{' '.join(TaskState)}`" in text


def test_the_page_tells_the_limit_of_what_waits() -> None:
    found = re.search(r"Up to (\d+) MiB", PAGE.read_text("utf-8"))
    assert found
    assert int(found[1]) << 20 == LIMIT
