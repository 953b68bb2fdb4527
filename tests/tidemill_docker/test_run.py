"""A pipeline whose steps run in containers, by the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import docker_images
import pytest
from docker_engine import Engine

FILE = f"""
pipeline images {{
  step build {{
    run = \"\"\"
      echo "built by $(id -u) in $PWD"
      echo content > out.txt
      echo "size=8" >> "$TIDE_OUTPUT"
    \"\"\"
    env {{ TOKEN = secret("TOKEN") }}
    executor docker {{
      image  = "{docker_images.DEBIAN}"
      pull   = "never"
      memory = 64MB
      cpus   = 1.5
      user   = "{os.getuid()}:{os.getgid()}"
    }}
    output size: int
    output file: file = "out.txt"
  }}

  step use {{
    run = "cat {{{{ build.file }}}}; echo size {{{{ build.size }}}}"
    executor docker {{
      image = "{docker_images.BUSYBOX}"
      pull  = "never"
    }}
  }}
}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """One that nobody may enter, too: so root's steps run."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "tidemill.toml").touch()
    (folder / "images.tide").write_text(FILE)
    return folder


def tidemill(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("tidemill")
    return subprocess.run(
        [program, *arguments],
        cwd=folder, env=os.environ | {"TOKEN": "opensesame"}, capture_output=True, text=True,
    )  # fmt: skip


def test_steps_run_in_containers(engine: Engine, project: Path) -> None:
    del engine
    done = tidemill(project, "run", "images.tide")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"build | built by {os.getuid()} in /workspace" in done.stdout
    assert "use | content" in done.stdout
    assert "use | size 8" in done.stdout


def test_a_wrong_setting_is_found_before_anything_runs(project: Path) -> None:
    (project / "images.tide").write_text(FILE.replace("memory =", "memroy ="))
    done = tidemill(project, "validate", "images.tide")
    assert done.returncode == 1
    assert "memroy" in done.stdout


def test_without_an_engine_the_step_says_what_to_do(project: Path) -> None:
    program = Path(sys.executable).with_name("tidemill")
    done = subprocess.run(
        [program, "run", "images.tide"], cwd=project, capture_output=True, text=True,
        env=os.environ | {"TOKEN": "x", "DOCKER_HOST": "unix:///no/such/socket"},
    )  # fmt: skip
    assert done.returncode == 1
    assert "cannot reach the Docker engine at unix:///no/such/socket" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
