"""Each hard question has an answer, in a module and a test that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ANSWERS = (ROOT / "docs" / "design-answers.md").read_text("utf-8")


def _sections() -> dict[int, str]:
    found = re.split(r"^## R(\d+):", ANSWERS, flags=re.MULTILINE)[1:]
    return {int(number): text for number, text in zip(found[::2], found[1::2], strict=True)}


def test_every_question_is_answered_once() -> None:
    assert list(_sections()) == list(range(1, 24))


def test_every_answer_names_a_module_and_a_test_that_exist() -> None:
    for number, text in _sections().items():
        named = re.search(r"Module:\s+`([^`]+)`\.\s+Test:\s+`([^`]+)`\.", text)
        assert named is not None, f"R{number}"
        for path in named.groups():
            assert (ROOT / path).exists(), f"R{number}: {path}"
