"""Every section of `tests/spec/*.md` is a test of the language; see README.md here."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import spec_world as world
from spec_documents import MAIN, Case, DocumentError, Section, case_of, sections
from spec_expect import differing_diagnostics, differing_json, missing_happenings
from spec_rules import ids_of_rules

HERE = Path(__file__).parent
REFERENCE = HERE.parents[1] / "docs/reference/language.md"
DOCUMENTS = sorted(path for path in HERE.glob("*.md") if path.name != "README.md")
RULES = ids_of_rules(REFERENCE.read_text())


def _readable(path: Path) -> list[Section]:
    """None where the document cannot be read, which a test of its own tells: the others
    are to be collected all the same."""
    try:
        return sections(path.read_text())
    except DocumentError:
        return []


SECTIONS = [(path.name, section) for path in DOCUMENTS for section in _readable(path)]


@pytest.mark.parametrize(
    "section",
    [section for _, section in SECTIONS],
    ids=[f"{name}: {section.title}" for name, section in SECTIONS],
)
def test_spec(section: Section, tmp_path: Path) -> None:
    case = case_of(section)
    unknown = sorted(set(case.rules) - RULES)
    assert not unknown, f"{REFERENCE.name} has no such rules: {', '.join(unknown)}"
    _compile(case)
    if case.runs:
        _run(case, tmp_path)


def _compile(case: Case) -> None:
    meant = world.meaning(case.files, MAIN)
    wrong = differing_diagnostics(case.diagnostics, meant.diagnostics)
    assert not wrong, "\n".join(wrong)
    assert world.meaning(case.files, MAIN) == meant, "compiled again, it means something else"
    for definition in meant.definitions:
        assert world.read_back(definition) == definition
        assert world.digest(definition) == hashlib.sha256(definition).hexdigest()
    if case.definition is not None:
        differing = list(differing_json(case.definition, meant.json))
        assert not differing, "\n".join(differing)


def _run(case: Case, folder: Path) -> None:
    (folder / "tidemill.toml").touch()
    for name, text in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for run in case.runs:
        happened = world.happenings(folder, MAIN, run.arguments, run.environment)
        missing = missing_happenings(run.happenings, happened)
        assert not missing, "\n".join(missing)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_has_a_title_and_tests_of_different_names(document: Path) -> None:
    text = document.read_text()
    titles = [section.title for section in sections(text)]
    assert text.startswith("# ")
    assert titles, "there is no test in it"
    assert len(set(titles)) == len(titles), sorted(titles)
