"""A worker of a fleet that is killed takes its containers back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import docker_images
import pytest
import recovery
from docker_engine import Engine
from postgres import find

from fleet import Fleet

USER = f"{os.getuid()}:{os.getgid()}"
EXECUTOR = f'docker {{ image = "{docker_images.DEBIAN}", pull = "never", user = "{USER}" }}'


@pytest.fixture
def fleet(engine: Engine, tmp_path: Path) -> Iterator[Fleet]:
    """Its processes find the engine as the executor does."""
    del engine
    programs = find()
    if programs is None:
        pytest.skip("PostgreSQL's programs are not installed")
    fleet = Fleet(tmp_path, programs, lease=recovery.LEASE)
    try:
        (tmp_path / "t.tide").write_text(recovery.PIPELINE.format(executor=EXECUTOR))
        fleet.tidemill("apply", "t.tide")
        yield fleet
    finally:
        fleet.stop()


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_worker_takes_its_container_back(fleet: Fleet, seed: int) -> None:
    recovery.counts_to_the_end(fleet, seed)
