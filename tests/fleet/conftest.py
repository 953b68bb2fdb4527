from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres import find

from fleet import Fleet, NewFleet


@pytest.fixture
def new_fleet(tmp_path: Path) -> Iterator[NewFleet]:
    """Makes fleets in the folder of the test, and ends them."""
    programs = find()
    if programs is None:
        pytest.skip("PostgreSQL's programs are not installed")
    made: list[Fleet] = []

    def make(source: str = "", **settings: Any) -> Fleet:
        made.append(Fleet(tmp_path, programs, **settings))
        if source:
            (tmp_path / "t.tide").write_text(source)
            made[-1].tidemill("apply", "t.tide")
        return made[-1]

    yield make
    for fleet in made:
        fleet.stop()
