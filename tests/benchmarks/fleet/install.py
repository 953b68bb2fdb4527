"""Puts the peers into environments of their own, below `.bench-venv`, from pinned versions.
They never get into the product's."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

from servers import Missing

HERE = Path(__file__).parent
HOME = HERE.parents[2] / ".bench-venv" / "fleet"
LIMIT = 600.0
"""Seconds that an installation may take."""


def python_of(name: str) -> Path:
    """The Python of `queues`, `prefect` or `airflow`, with what `peers/NAME.txt` names.

    Raises:
        Missing: it could not be installed, and why.
    """
    pins = HERE / "peers" / f"{name}.txt"
    folder = HOME / name
    python = folder / "bin" / "python"
    mark = folder / ".installed"
    if mark.exists() and mark.read_text() == pins.read_text():
        return python
    print(f"installing {name} into .bench-venv", flush=True)
    if not python.exists():
        venv.create(folder, with_pip=True)
    _pip(python, pins, name)
    mark.write_text(pins.read_text())
    return python


def _pip(python: Path, pins: Path, name: str) -> None:
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        done = subprocess.run(
            [*command, "--only-binary", ":all:", "-r", pins],
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Missing(f"{name} did not install within {LIMIT:g} s") from None
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise Missing(f"{name} does not install: {' '.join(said)[:300]}")
