"""Columns of plain text."""

from __future__ import annotations

from tidemill.cli.table import columns, width


def test_columns_are_as_wide_as_their_widest_cell_and_empty_ones_are_left_out() -> None:
    rows = [["build", "", "1.2 s"], ["unit[3.12]", "", "12.0 s"]]
    assert list(columns(["task", "attempt", "time"], rows, right=frozenset({"time"}))) == [
        "task          time",
        "build        1.2 s",
        "unit[3.12]  12.0 s",
    ]


def test_wide_and_combining_characters_count_as_the_columns_they_take() -> None:
    assert (width("abc"), width("日本"), width("e\u0301")) == (3, 4, 1)
    assert list(columns(["a", "b"], [["日", "x"], ["ab", "y"]])) == ["a   b", "日  x", "ab  y"]


def test_colour_is_put_on_after_padding() -> None:
    lines = columns(["a", "b"], [["x", "y"]], paint=lambda row, _c, text: f"<{row}{text}>")
    assert list(lines) == ["<-1a>  <-1b>", "<0x>  <0y>"]
