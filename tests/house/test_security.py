"""Each "cannot" of the page on security names a test, and each test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/security.md").read_text("utf-8")
NAMED = re.findall(r"`((?:tests|core)/[\w/]+\.py)::(test_\w+)`", PAGE)


def rows(heading: str) -> list[list[str]]:
    """The cells of the table with this first column."""
    table = PAGE[PAGE.index(heading) :].split("\n\n", 1)[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]
    ]


def named_by_number() -> dict[str, str]:
    return {row[0]: row[1] for row in rows("| | test |")}


def test_each_cannot_names_tests() -> None:
    known = named_by_number()
    bare = []
    for what, *cells in rows("| a hostile step tries to"):
        for cell in cells:
            numbers = re.findall(r"\((\d+)\)", cell)
            if "cannot" in cell and not numbers:
                bare.append(f"{what}: {cell}")
            assert set(numbers) <= known.keys(), f"{what}: {cell}"
    # What the system itself keeps from a user without privileges, nobody has to try.
    assert [text.partition(":")[0] for text in bare] == ["change the kernel, or make devices"] * 2


def test_each_test_that_is_named_is_there() -> None:
    assert len(NAMED) > 40
    for file, name in NAMED:
        path = ROOT / file
        assert path.is_file(), file
        assert re.search(rf"def {name}\(", path.read_text("utf-8")), f"{file} has no {name}"


def test_no_number_is_left_over() -> None:
    used = set(re.findall(r"\((\d+)\)", "".join(map("".join, rows("| a hostile step tries to")))))
    assert used == named_by_number().keys()
