"""Twenty different mistakes in one file: all told in one run, each at its place."""

from __future__ import annotations

from pathlib import Path

from tidelang.compiler import NoPlugins, compile_source
from tidelang.render.terminal import render
from tidelang.source import Source

_HERE = Path(__file__).parent
_RESULT = compile_source(
    Source("mistakes.tide", (_HERE / "mistakes.tide").read_text("utf-8")), NoPlugins()
)
# code, line, column, what is underlined, and what it is to be replaced by
_EXPECTED = [
    ("T108", 7, 3, "descripton", "description"),
    ("T206", 10, 28, "20", "16"),
    ("T209", 11, 14, "strng", "string"),
    ("T401", 13, 15, "25", None),
    ("T402", 14, 16, '"Europe/Berln"', '"Europe/Berlin"'),
    ("T205", 15, 16, "skp", "skip"),
    ("T201", 19, 15, "10", "10s"),
    ("T501", 20, 14, "lokal", "local"),
    ("T101", 24, 30, "tga", "tag"),
    ("T307", 25, 12, "wheel", None),
    ("T010", 27, 8, ":", " ="),
    ("T304", 30, 22, "versions", "unique(versions)"),
    ("T301", 31, 14, "biuld", "build"),
    ("T302", 36, 14, "docs", None),
    ("T112", 38, 5, "retry", "retry { attempts = 3 }"),
    ("T202", 43, 36, "+", '"v{{ 1 }}"'),
    ("T106", 50, 16, "digst", "digest"),
    ("T003", 56, 15, '"deploy', '"'),
    ("T105", 58, 41, "uper", "upper"),
    ("T601", 58, 61, "{{ target }}", None),
]


def test_all_twenty_are_told_in_one_run_each_at_its_place_with_its_fix() -> None:
    found = [
        (d.code, *_place(d.span.first), d.span.text, d.fix.replacement if d.fix else None)
        for d in _RESULT.diagnostics
    ]
    assert found == _EXPECTED


def test_they_are_twenty_different_mistakes_and_each_says_what_to_do() -> None:
    assert len({d.code for d in _RESULT.diagnostics}) == 20
    assert all(d.fix is not None and d.fix.message for d in _RESULT.diagnostics)


def test_nothing_is_made_of_a_file_with_mistakes() -> None:
    assert not _RESULT.ok
    assert _RESULT.definitions == ()


def test_they_read_as_the_golden_text() -> None:
    shown = render(_RESULT.diagnostics, color=False, width=100)
    assert shown == (_HERE / "mistakes.txt").read_text("utf-8")


def _place(position: object) -> tuple[int, int]:
    return position.line, position.column  # type: ignore[attr-defined]
