"""An unchanged file without mistakes is not compiled again; anything else is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

GOOD = 'pipeline p {\n  step a { run = "true" }\n}\n'


_PLUGIN = """
import pydantic
from tidemill.spi import ExecutorType, hookimpl
class Settings(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    level: int = 0
@hookimpl
def tidemill_executors():
    return [ExecutorType("theirs", Settings, lambda context: None)]
"""


def _validate(
    folder: Path, *, cache: str | None = None, path: Path | None = None, what: str = "p.tide"
) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys; from tidemill.cli import main; code = 0\n"
        f"sys.argv = ['tidemill', 'validate', {what!r}]\n"
        "try: code = main() or 0\n"
        "except SystemExit as end: code = end.code or 0\n"
        "print('compiled' if 'tidelang.compiler' in sys.modules else 'known'); sys.exit(code)"
    )
    env = {**os.environ, "XDG_CACHE_HOME": cache or str(folder / "cache")}
    if path is not None:
        env["PYTHONPATH"] = str(path)
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


def test_a_file_that_asks_plugins_is_known_until_they_are_touched(tmp_path: Path) -> None:
    source = tmp_path / "plugins" / "theirs.py"
    source.parent.mkdir()
    source.write_text(_PLUGIN)
    info = tmp_path / "plugins" / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tidemill]\ntheirs = theirs\n")
    text = 'pipeline p {\n  step a { run = "true", executor theirs { level = 1 } }\n}\n'
    (tmp_path / "p.tide").write_text(text)

    def last() -> str:
        return _validate(tmp_path, path=source.parent).stdout.splitlines()[-1]

    assert [last(), last()] == ["compiled", "known"]
    source.write_text(_PLUGIN.replace("level", "depth"))
    told = _validate(tmp_path, path=source.parent)
    assert told.returncode == 1
    assert "`level`" in told.stdout
    source.write_text(_PLUGIN + "\n")
    assert [last(), last()] == ["compiled", "known"]
    (source.parent / "other-1.0.dist-info").mkdir()
    assert [last(), last()] == ["compiled", "known"]


def test_a_file_that_imports_is_known_until_an_imported_one_changes(tmp_path: Path) -> None:
    (tmp_path / "p.tide").write_text(
        'import "a.tide" as a\npipeline p {\n  step x = a.build()\n}\n'
    )
    (tmp_path / "a.tide").write_text('import "b.tide" as b\ntask build() { run = b.what }\n')
    (tmp_path / "b.tide").write_text('let what = ["true"]\n')
    outs = [_validate(tmp_path).stdout.splitlines()[-1] for _ in range(2)]
    assert outs == ["compiled", "known"]
    (tmp_path / "b.tide").write_text("let what = 1\n")
    assert _validate(tmp_path).returncode == 1
    (tmp_path / "b.tide").write_text('let what = ["true"]\n')
    assert _validate(tmp_path).stdout.splitlines()[-1] == "known"
    (tmp_path / "b.tide").unlink()
    gone = _validate(tmp_path)
    assert gone.returncode == 1
    assert "there is no file `b.tide`" in gone.stdout


def test_the_same_text_in_another_place_imports_other_files(tmp_path: Path) -> None:
    for name, lib in (("one", "let a = 1\n"), ("two", "let b = 1\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "p.tide").write_text(
            'import "lib.tide" as lib\npipeline p {\n  step x { run = "echo {{ lib.a }}" }\n}\n'
        )
        (tmp_path / name / "lib.tide").write_text(lib)
    cache = str(tmp_path / "cache")
    assert _validate(tmp_path / "one", cache=cache).returncode == 0
    assert _validate(tmp_path / "two", cache=cache).returncode == 1


def test_a_mistake_of_an_imported_file_is_told_once_for_a_folder(tmp_path: Path) -> None:
    for name in ("p.tide", "q.tide"):
        (tmp_path / name).write_text(
            'import "lib.tide" as lib\npipeline p {\n  step x = lib.t()\n}\n'
        )
    (tmp_path / "lib.tide").write_text("task t() { run = 1 }\n")
    told = _validate(tmp_path, what=".")
    assert told.returncode == 1
    assert told.stdout.count("error[") == 1


def test_without_a_place_for_the_cache_files_are_compiled_and_nothing_is_said(
    tmp_path: Path,
) -> None:
    (tmp_path / "p.tide").write_text(GOOD)
    (tmp_path / "file").write_text("")
    found = _validate(tmp_path, cache=str(tmp_path / "file"))
    assert (found.returncode, found.stderr) == (0, "")
