"""An unchanged file without mistakes is not compiled again; anything else is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = 'pipeline p {\n  step a { run = "true" }\n}\n'


_PLUGIN = """
import pydantic
from tidemill.spi import ExecutorType, hookimpl
TIDEMILL_SPI = 1
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


def _plugin(folder: Path, name: str = "theirs", source: str = _PLUGIN) -> Path:
    """The module of an installed plugin that offers the executor `theirs`."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[tidemill]\n{name} = {name}\n")
    module = folder / f"{name}.py"
    module.write_text(source)
    return module


_ASKS = 'pipeline p {\n  step a { run = "true", executor theirs { level = 1 } }\n}\n'


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
    source = _plugin(tmp_path / "plugins")
    (tmp_path / "p.tide").write_text(_ASKS)

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


def test_a_changed_helper_of_a_plugin_counts_as_much_as_the_plugin(tmp_path: Path) -> None:
    module = _plugin(tmp_path / "plugins", source="from elsewhere import *\n")
    helper = tmp_path / "plugins" / "elsewhere.py"
    helper.write_text(_PLUGIN)
    (tmp_path / "p.tide").write_text(_ASKS)
    outs = [_validate(tmp_path, path=module.parent).stdout.splitlines()[-1] for _ in range(2)]
    assert outs == ["compiled", "known"]
    helper.write_text(_PLUGIN.replace("level", "depth"))
    told = _validate(tmp_path, path=module.parent)
    assert (told.returncode, "`level`" in told.stdout) == (1, True)


def test_what_is_known_in_one_environment_is_not_in_another(tmp_path: Path) -> None:
    """Neither where the plugin is not installed, nor where a second one claims the kind."""
    with_it = _plugin(tmp_path / "one").parent
    _plugin(tmp_path / "two")
    with_two = _plugin(tmp_path / "two", "rival").parent
    without = tmp_path / "none"
    without.mkdir()
    (tmp_path / "p.tide").write_text(_ASKS)
    assert _validate(tmp_path, path=with_it).returncode == 0
    for other in (without, with_two):
        assert _validate(tmp_path, path=other).returncode == 1
    assert _validate(tmp_path, path=with_it).stdout.splitlines()[-1] == "known"


def test_a_plugin_that_is_removed_or_gets_a_rival_is_noticed(tmp_path: Path) -> None:
    folder = _plugin(tmp_path / "plugins").parent
    (tmp_path / "p.tide").write_text(_ASKS)
    assert _validate(tmp_path, path=folder).returncode == 0
    _plugin(folder, "rival")
    told = _validate(tmp_path, path=folder)
    assert (told.returncode, "is claimed by" in told.stdout) == (1, True)
    for name in ("rival", "theirs"):
        shutil.rmtree(folder / f"{name}-1.0.dist-info")
    assert _validate(tmp_path, path=folder).returncode == 1


def test_a_plugin_beside_the_command_is_noticed(tmp_path: Path) -> None:
    """Python looks for distributions in the folder that `-c` was started in, too."""
    folder = _plugin(tmp_path / "plugins").parent
    (tmp_path / "p.tide").write_text(_ASKS)
    assert _validate(tmp_path, path=folder).returncode == 0
    _plugin(tmp_path, "rival")
    assert _validate(tmp_path, path=folder).returncode == 1


def test_an_import_that_leads_elsewhere_now_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "p.tide").write_text(
        'import "lib.tide" as lib\npipeline p {\n  step x { run = "echo {{ lib.a }}" }\n}\n'
    )
    (tmp_path / "one.tide").write_text("let a = 1\n")
    (tmp_path / "two.tide").write_text("let b = 1\n")
    link = tmp_path / "lib.tide"
    link.symlink_to("one.tide")
    outs = [_validate(tmp_path).stdout.splitlines()[-1] for _ in range(2)]
    assert outs == ["compiled", "known"]
    link.unlink()
    link.symlink_to("two.tide")
    assert _validate(tmp_path).returncode == 1


def test_a_file_reached_by_another_path_imports_other_files(tmp_path: Path) -> None:
    (tmp_path / "p.tide").write_text(
        'import "lib.tide" as lib\npipeline p {\n  step x { run = "echo {{ lib.a }}" }\n}\n'
    )
    (tmp_path / "lib.tide").write_text("let a = 1\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "lib.tide").write_text("let b = 1\n")
    (tmp_path / "deep" / "p.tide").symlink_to("../p.tide")
    (tmp_path / "tidemill.toml").touch()
    assert _validate(tmp_path).returncode == 0
    assert _validate(tmp_path, what="deep/p.tide").returncode == 1


@pytest.mark.parametrize("damage", [b"", b"\xff\x00", b"content", b"0" * 64 + b"\n", None])
def test_a_damaged_entry_counts_for_nothing(tmp_path: Path, damage: bytes | None) -> None:
    """None stands for an entry that lost its last byte."""
    (tmp_path / "p.tide").write_text(
        'import "lib.tide" as lib\npipeline p {\n  step x { run = "echo {{ lib.a }}" }\n}\n'
    )
    (tmp_path / "lib.tide").write_text("let a = 1\n")
    _validate(tmp_path)
    (entry,) = (tmp_path / "cache" / "tidemill" / "known").iterdir()
    entry.write_bytes(entry.read_bytes()[:-1] if damage is None else damage)
    outs = [_validate(tmp_path) for _ in range(2)]
    assert [out.stdout.splitlines()[-1] for out in outs] == ["compiled", "known"]
    assert [out.stderr for out in outs] == ["", ""]
