"""`tidemill graph`: the forms, where they go, and what is said when it cannot be drawn."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

FILE = """
pipeline build {
  step compile { run = "make" }
  step test { needs = [compile], run = "make test" }
}
"""
TWO = FILE + 'pipeline nightly {\n  step all { run = "make all" }\n}\n'


def graph(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tidemill.cli", "graph", *arguments],
        cwd=folder, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "p.tide").write_text(FILE)
    return tmp_path


def test_as_text_by_default(folder: Path) -> None:
    done = graph(folder, "p.tide")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "build: 2 steps\n└─ compile\n   ⇣  test\n"


@pytest.mark.parametrize(
    ("form", "start"),
    [("svg", "<svg "), ("dot", 'digraph "build" {'), ("mermaid", '---\ntitle: "build"')],
)
def test_in_the_form_that_is_asked_for(folder: Path, form: str, start: str) -> None:
    done = graph(folder, "p.tide", "--format", form)
    assert done.returncode == 0
    assert done.stdout.startswith(start)


def test_the_suffix_says_the_form(folder: Path) -> None:
    assert graph(folder, "p.tide", "-o", "p.svg").returncode == 0
    ET.parse(folder / "p.svg")
    assert graph(folder, "p.tide", "-o", "p.mmd").returncode == 0
    assert "flowchart LR" in (folder / "p.mmd").read_text()
    told = graph(folder, "p.tide", "-o", "p.png")
    assert told.returncode == 2
    assert "its suffix does not say what to draw" in told.stderr
    assert graph(folder, "p.tide", "-o", "no/p.svg").returncode == 2


def test_one_of_several_pipelines_is_named(folder: Path) -> None:
    (folder / "p.tide").write_text(TWO)
    assert "nightly: 1 step" in graph(folder, "p.tide", "nightly").stdout
    told = graph(folder, "p.tide")
    assert told.returncode == 2
    assert "2 pipelines: build, nightly" in told.stderr
    assert "tidemill graph p.tide build" in told.stderr
    assert "has no pipeline 'nihgtly'" in graph(folder, "p.tide", "nihgtly").stderr


def test_mistakes_are_shown_as_validate_shows_them(folder: Path) -> None:
    (folder / "p.tide").write_text("pipeline p { step a { run = 1 } }")
    told = graph(folder, "p.tide")
    assert told.returncode == 1
    assert "error[T603]" in told.stderr
    assert graph(folder, "none.tide").returncode == 2


def test_only_a_picture_needs_igraph(folder: Path) -> None:
    code = (
        "import sys; from tidemill.cli import main\n"
        "sys.argv = ['tidemill', 'graph', 'p.tide', '--format', sys.argv[1]]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('igraph' in sys.modules, file=sys.stderr)"
    )
    for form, needed in (("dot", "False\n"), ("text", "False\n"), ("svg", "True\n")):
        done = subprocess.run(
            [sys.executable, "-c", code, form],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stderr == needed


def test_the_picture_in_the_documents_is_what_the_command_draws(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    graph(root / "examples/release", "release.tide", "-o", str(tmp_path / "release.svg"))
    drawn = (tmp_path / "release.svg").read_bytes()
    assert drawn == (root / "docs/pictures/release.svg").read_bytes()
