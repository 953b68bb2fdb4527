"""An unchanged file without mistakes is not compiled again; anything else is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

GOOD = 'pipeline p {\n  step a { run = "true" }\n}\n'


def _validate(folder: Path, *, cache: str | None = None) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys; from tidemill.cli import main; code = 0\n"
        "sys.argv = ['tidemill', 'validate', 'p.tide']\n"
        "try: code = main() or 0\n"
        "except SystemExit as end: code = end.code or 0\n"
        "print('compiled' if 'tidelang.compiler' in sys.modules else 'known'); sys.exit(code)"
    )
    env = {**os.environ, "XDG_CACHE_HOME": cache or str(folder / "cache")}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_unchanged_file_without_mistakes_is_answered_without_the_compiler(
    tmp_path: Path,
) -> None:
    (tmp_path / "p.tide").write_text(GOOD)
    first, second = _validate(tmp_path), _validate(tmp_path)
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout == "p.tide: no mistakes\ncompiled\n"
    assert second.stdout == "p.tide: no mistakes\nknown\n"


def test_a_changed_file_is_compiled_again(tmp_path: Path) -> None:
    (tmp_path / "p.tide").write_text(GOOD)
    _validate(tmp_path)
    (tmp_path / "p.tide").write_text(GOOD.replace("run", "rum"))
    changed = _validate(tmp_path)
    assert changed.returncode == 1
    assert "rum" in changed.stdout


def test_a_file_with_mistakes_shows_them_every_time(tmp_path: Path) -> None:
    (tmp_path / "p.tide").write_text("pipeline p {")
    first, second = _validate(tmp_path), _validate(tmp_path)
    assert first.returncode == 1
    assert first.stdout == second.stdout


def test_a_file_that_asks_plugins_is_always_compiled(tmp_path: Path) -> None:
    (tmp_path / "p.tide").write_text(
        'pipeline p {\n  step a { run = "true", executor local {} }\n}\n'
    )
    assert [_validate(tmp_path).stdout.splitlines()[-1] for _ in range(2)] == ["compiled"] * 2


def test_without_a_place_for_the_cache_files_are_compiled_and_nothing_is_said(
    tmp_path: Path,
) -> None:
    (tmp_path / "p.tide").write_text(GOOD)
    (tmp_path / "file").write_text("")
    found = _validate(tmp_path, cache=str(tmp_path / "file"))
    assert (found.returncode, found.stderr) == (0, "")
