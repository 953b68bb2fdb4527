"""The picture of the states in the docs is the table's."""

from __future__ import annotations

from pathlib import Path

from tidemill.model.diagram import page

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "states.md"


def test_the_page_of_the_states_is_drawn_from_the_table() -> None:
    assert PAGE.read_text() == page()
