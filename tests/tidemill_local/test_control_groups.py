"""Where control groups are looked for, by version and by what the machine mounts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from local_processes import eventually

from tidemill_local import control_groups
from tidemill_local.control_groups import Root
from tidemill_local.warden import group


def described(tmp_path: Path, groups: str, mounts: str) -> Path:
    """A folder such as /proc/self, with mounts below `tmp_path`."""
    (tmp_path / "cgroup").write_text(groups)
    (tmp_path / "mountinfo").write_text(mounts.replace("@", str(tmp_path)))
    return tmp_path


def test_version_1_has_a_root_for_each_controller_that_bounds(tmp_path: Path) -> None:
    (tmp_path / "memory/a/b").mkdir(parents=True)
    (tmp_path / "both").mkdir()
    proc = described(
        tmp_path,
        "4:memory:/a/b\n2:cpu,cpuacct:/\n9:name=systemd:/x\n3:cpuset:/\n",
        "35 31 0:32 / @/memory rw,relatime - cgroup cgroup rw,memory\n"
        "36 31 0:33 / @/both rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
        "37 31 0:34 / @/cpuset rw - cgroup cgroup rw,cpuset\n"
        "40 31 0:37 / @/systemd rw - cgroup cgroup rw,name=systemd\n",
    )
    assert set(control_groups.find(proc)) == {
        Root(tmp_path / "memory/a/b", frozenset({"memory"}), 1),
        Root(tmp_path / "both", frozenset({"cpu", "cpuacct"}), 1),
    }


def test_version_2_has_one_root_with_what_is_handed_to_it(tmp_path: Path) -> None:
    own = tmp_path / "all/system.slice/worker.service"
    own.mkdir(parents=True)
    (own / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    proc = described(
        tmp_path, "0::/system.slice/worker.service\n", "31 23 0:28 / @/all rw - cgroup2 x rw\n"
    )
    assert control_groups.find(proc) == (Root(own, frozenset({"cpu", "memory", "pids"}), 2),)


def test_a_worker_that_moved_down_before_finds_the_group_above(tmp_path: Path) -> None:
    own = tmp_path / "all/worker.service" / control_groups.LEAF
    own.mkdir(parents=True)
    proc = described(
        tmp_path,
        f"0::/worker.service/{control_groups.LEAF}\n",
        "31 23 0:28 / @/all rw - cgroup2 x rw\n",
    )
    (root,) = control_groups.find(proc)
    assert root.folder == own.parent


def test_a_group_outside_of_what_is_mounted_is_none(tmp_path: Path) -> None:
    """As in a container that sees its own group as the root."""
    (tmp_path / "all").mkdir()
    mounts = "31 23 0:28 /docker/1 @/all rw - cgroup2 x rw\n"
    assert control_groups.find(described(tmp_path, "0::/docker/2\n", mounts)) == ()
    assert control_groups.find(described(tmp_path, "0::/../docker\n", mounts)) == ()
    (root,) = control_groups.find(described(tmp_path, "0::/docker/1\n", mounts))
    assert root.folder == tmp_path / "all"


def test_a_machine_without_groups_has_none(tmp_path: Path) -> None:
    assert control_groups.find(tmp_path) == ()


@pytest.fixture
def real() -> Iterator[Path]:
    """A group of version 2 of this machine, with nobody in it."""
    for root in control_groups.find():
        if root.version == 2:
            made = root.folder / f"test-{os.getpid()}"
            made.mkdir()
            yield made
            group.destroy(str(made))
            return
    why = "this user may make no control group of version 2"
    (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


@contextmanager
def started_in(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that moves itself there and starts another."""
    program = f"echo $$ > {folder}/cgroup.procs; setsid sleep 1000 & echo in; exec sleep 1000"
    process = subprocess.Popen(["sh", "-c", program], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"in\n"
        yield process
    finally:
        group.destroy(str(folder))
        process.wait(30)
        process.stdout.close()


def test_what_is_ours_moves_down_and_its_group_is_then_empty(real: Path) -> None:
    with started_in(real) as process:
        assert eventually(lambda: len((real / "cgroup.procs").read_text().split()) == 2)
        control_groups.move_down(real)
        assert (real / "cgroup.procs").read_text() == ""
        moved = (real / control_groups.LEAF / "cgroup.procs").read_text().split()
        assert str(process.pid) in moved
        assert len(moved) == 2
        assert group.destroy(str(real))
        assert process.wait(30) == -9


def test_what_is_not_ours_is_not_moved(real: Path) -> None:
    """It descends from a process that has ended, and so from init."""
    program = f"(setsid sh -c 'echo $$ > {real}/cgroup.procs; exec sleep 1000' &)"
    subprocess.run([sys.executable, "-c", f"import os; os.system({program!r})"], check=True)
    assert eventually(lambda: (real / "cgroup.procs").read_text() != "")
    with pytest.raises(PermissionError):
        control_groups.move_down(real)
    assert not (real / control_groups.LEAF).exists()


def test_a_group_goes_with_those_that_a_step_made_in_it(real: Path) -> None:
    (real / "a/b").mkdir(parents=True)
    with started_in(real / "a/b") as process:
        assert group.destroy(str(real))
        assert process.wait(30) == -9
    assert not real.exists()


def test_a_group_whose_keeper_lives_is_not_reaped(real: Path) -> None:
    folder = real / f"{group.PREFIX}1"
    kept = group.Group()
    kept.make(group.Bounds(((str(folder), ()),), ()))
    group.reap(str(real))
    assert folder.exists()
    (real / f"{group.PREFIX}2").mkdir()
    (real / "others").mkdir()
    group.reap(str(real))
    assert {path.name for path in real.iterdir() if path.is_dir()} == {folder.name, "others"}
    kept.end()
    assert not folder.exists()
