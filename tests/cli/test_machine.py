"""What a worker finds out that it has, and what it is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tidemill.app.machine import detected
from tidemill.cli.serving import resources_of
from tidemill.errors import UsageError

GIB, MIB = 1 << 30, 1 << 20
CORES = len(os.sched_getaffinity(0))


def _machine(tmp_path: Path, own: str, **files: str) -> dict[str, float]:
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        path = tmp_path / "groups" / name.replace("__", "/").replace("_X_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return detected(tmp_path / "groups", tmp_path / "own")


def test_without_bounds_it_is_the_whole_machine(tmp_path: Path) -> None:
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = _machine(tmp_path, "0::/\n", memory_X_max="max\n", cpu_X_max="max 100000\n")
    assert found == {"cpu": CORES, "memory": pages // MIB * MIB}


def test_the_tightest_bound_of_the_groups_above_counts(tmp_path: Path) -> None:
    found = _machine(
        tmp_path,
        "0::/a/b\n",
        a__b__memory_X_max="max\n",
        a__memory_X_max=f"{GIB // 4}\n",
        a__b__cpu_X_max="50000 100000\n",
        a__cpu_X_max="80000 100000\n",
    )
    assert found == {"cpu": 0.5, "memory": GIB // 4}


def test_groups_of_version_1_count_as_well(tmp_path: Path) -> None:
    found = _machine(
        tmp_path,
        "4:memory:/gone/host/path\n3:cpu,cpuacct:/x\n1:name=systemd:/\n",
        memory__memory_X_limit_in_bytes=f"{GIB // 8}\n",
        **{"cpu,cpuacct__x__cpu_X_cfs_quota_us": "25000\n"},
        **{"cpu,cpuacct__x__cpu_X_cfs_period_us": "100000\n"},
    )
    assert found == {"cpu": 0.25, "memory": GIB // 8}


def test_resources_are_given_in_one_or_in_several() -> None:
    given = ("cpu=1.5,memory=32GiB", "gpu=2, fpga=0")
    found = {"cpu": 1.5, "memory": 32.0 * GIB, "gpu": 2.0, "fpga": 0.0}
    assert resources_of(given) == found
    assert resources_of(()) == {}


@pytest.mark.parametrize("bad", ["cpu", "=1", "c-p=1", "cpu=", "cpu=x", "cpu=-1", "cpu=nan",
                                 "memory=2x", "memory=-1GiB", "gpu=1e30"])  # fmt: skip
def test_what_is_no_resource_is_said_in_one_line(bad: str) -> None:
    with pytest.raises(UsageError, match="--resources"):
        resources_of((bad,))
