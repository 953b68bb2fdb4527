"""What these tests share: a project of their own, and a mark to find their processes by."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from tide_project import TideProject


@pytest.fixture
def project(tmp_path: Path) -> Iterator[TideProject]:
    root = tmp_path / "project"
    root.mkdir()
    made = TideProject(root)
    yield made
    made.close()


@pytest.fixture
def mark() -> str:
    return f"mark-{secrets.token_hex(8)}"
