"""Places with secrets in them: variables, files of every kind, and a command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
"""Where `sops` is installed for the tests, as any other program of a Python package."""


def require_program(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has it on PATH. Whoever has not got it cannot run the test; CI must."""
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")


def dotenv(values: Mapping[str, str]) -> str:
    lines = ["# secrets of a test", ""]
    for name, value in values.items():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'{name} = "{escaped}"')
    return "\n".join(lines) + "\n"


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def new_identity(path: Path) -> str:
    """A key of age in a file; returns whom to encrypt to."""
    subprocess.run(["age-keygen", "-o", path], check=True, capture_output=True)
    done = subprocess.run(["age-keygen", "-y", path], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def encrypt_with_age(text: str, recipient: str, path: Path) -> None:
    subprocess.run(
        ["age", "-r", recipient, "-o", path], input=text.encode(), check=True, capture_output=True
    )


def encrypt_with_sops(values: Mapping[str, object], recipient: str, path: Path) -> None:
    """In the format that its name says."""
    path.write_text(json.dumps(values))
    subprocess.run(
        ["sops", "encrypt", "--input-type", "json", "--age", recipient, "--in-place", path],
        check=True,
        capture_output=True,
    )
