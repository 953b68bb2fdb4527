"""Files and values that go into a step and come out of it."""

# ruff: noqa: S101 -- asserts are what tests are made of
from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest

from tidemill.spi import INPUTS, InputFile, OutputFile, SavedFile
from tidemill.testing.executor.bench import Bench


@pytest.mark.asyncio
class Files:
    async def test_inputs_lie_where_every_text_says(self, bench: Bench, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.write_bytes(b"content ")
        inputs = (InputFile("build/dist/a b.txt", source),)
        name = f"{INPUTS}/build/dist/a b.txt"
        script = f'cat "{name}" "$V" "$TIDE_INPUTS/build/dist/a b.txt"'
        assert await bench.text(script, inputs=inputs, env={"V": name}) == "content " * 3
        assert await bench.text(("cat", name), inputs=inputs) == "content "
        assert await bench.text("cat 'a b.txt'", inputs=inputs, workdir=f"{INPUTS}/build/dist")

    async def test_a_step_cannot_change_the_source_of_an_input(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        source = tmp_path / "source"
        source.write_bytes(b"content")
        source.chmod(0o444)
        script = 'chmod u+w "$TIDE_INPUTS/x"; echo changed > "$TIDE_INPUTS/x"; cat "$TIDE_INPUTS/x"'
        assert await bench.text(script, inputs=(InputFile("x", source),)) == "changed\n"
        assert source.read_bytes() == b"content"

    async def test_inputs_are_read_only(self, bench: Bench, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.write_bytes(b"content")
        text = await bench.text('ls -l "$TIDE_INPUTS/x"', inputs=(InputFile("x", source),))
        assert text.startswith("-r--r--r--")

    async def test_a_large_input_arrives_whole(self, bench: Bench, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.write_bytes(os.urandom(1 << 16) * 320)
        text = await bench.text('cksum < "$TIDE_INPUTS/x"', inputs=(InputFile("x", source),))
        (bench.project / "same").write_bytes(source.read_bytes())
        assert await bench.text("cksum < same") == text

    async def test_outputs_are_collected_by_their_globs(self, bench: Bench) -> None:
        outcome, running = await bench.run(
            "mkdir -p dist/deep; cd dist; echo 1 > a.whl; echo 2 > b.whl; echo 3 > deep/c.txt",
            outputs=(OutputFile("wheels", "dist/*.whl"), OutputFile("all", "dist/**/*.*")),
        )
        assert outcome.ok
        assert running.io.files == {
            ("wheels", "dist/a.whl"): b"1\n",
            ("wheels", "dist/b.whl"): b"2\n",
            ("all", "dist/a.whl"): b"1\n",
            ("all", "dist/b.whl"): b"2\n",
            ("all", "dist/deep/c.txt"): b"3\n",
        }

    async def test_a_glob_that_matches_nothing_is_no_error(self, bench: Bench) -> None:
        outcome, running = await bench.run("true", outputs=(OutputFile("none", "no/*.such"),))
        assert (outcome.ok, running.io.files) == (True, {})

    async def test_a_failed_steps_files_are_not_collected(self, bench: Bench) -> None:
        script = "echo 1 > a.txt; exit 1"
        _, running = await bench.run(script, outputs=(OutputFile("a", "*.txt"),))
        assert running.io.files == {}

    @pytest.mark.parametrize("glob", ["link/*", "../outside/*", "file-link"])
    async def test_files_outside_of_the_workdir_are_not_collected(
        self, bench: Bench, glob: str
    ) -> None:
        outside = bench.project.parent / "outside"
        outside.mkdir()
        (outside / "secret").write_text("secret")
        script = f"ln -s '{outside}' link; ln -s '{outside}/secret' file-link"
        outcome, running = await bench.run(script, outputs=(OutputFile("x", glob),))
        assert (outcome.ok, running.io.files) == (True, {})

    async def test_a_large_output_is_collected_whole(self, bench: Bench) -> None:
        (bench.project / "big").write_bytes(os.urandom(1 << 16) * 320)
        _, running = await bench.run("cat big > copy", outputs=(OutputFile("copy", "copy"),))
        assert running.io.files["copy", "copy"] == (bench.project / "big").read_bytes()

    async def test_saved_files_are_put_back_as_a_run_would_have_left_them(
        self, bench: Bench
    ) -> None:
        script = "mkdir -p dist; echo 1 > dist/a.txt; echo 2 > dist/b; chmod +x dist/b"
        outputs = (OutputFile("all", "dist/*"),)
        (bench.project / "sub").mkdir()
        _, running = await bench.run(script, outputs=outputs, workdir="sub")
        left = bench.project / "sub" / "dist"
        outlives = left.exists()
        shutil.rmtree(left, ignore_errors=True)
        files = []
        for name, content in sorted(running.io.files.items()):
            source = bench.project.parent / f"saved-{Path(name[1]).name}"
            source.write_bytes(content)
            files.append(SavedFile(name[1], source, executable=name[1] == "dist/b"))
        await bench.executor.restore(running.work, files)
        assert left.exists() == outlives
        if outlives:
            assert (left / "a.txt").read_bytes() == b"1\n"
            assert not os.access(left / "a.txt", os.X_OK)
            assert os.access(left / "b", os.X_OK)

    async def test_only_files_that_differ_are_replaced(self, bench: Bench, tmp_path: Path) -> None:
        source, there = tmp_path / "source", bench.project / "there"
        source.write_text("new")
        work = bench.work("true")
        there.write_text("new")
        os.utime(there, (1, 1))
        await bench.executor.restore(work, [SavedFile("there", source)])
        assert there.stat().st_mtime == 1
        outside = tmp_path / "outside"
        outside.write_text("old")
        there.unlink()
        there.symlink_to(outside)
        await bench.executor.restore(work, [SavedFile("there", source)])
        assert outside.read_text() == "old"

    @pytest.mark.parametrize("name", ["link/x", "../outside/x"])
    async def test_nothing_is_put_outside_of_the_workdir(self, bench: Bench, name: str) -> None:
        outside = bench.project.parent / "outside"
        outside.mkdir()
        (bench.project / "link").symlink_to(outside)
        source = bench.project.parent / "source"
        source.write_text("x")
        with contextlib.suppress(OSError):
            await bench.executor.restore(bench.work("true"), [SavedFile(name, source)])
        assert list(outside.iterdir()) == []

    async def test_values_are_handed_back_as_they_were_written(self, bench: Bench) -> None:
        script = 'echo a=1 >> "$TIDE_OUTPUT"; printf "b=\\377\\n" >> "$TIDE_OUTPUT"'
        outcome, _ = await bench.run(script)
        assert outcome.values == b"a=1\nb=\xff\n"

    async def test_values_of_one_step_are_not_anothers(self, bench: Bench) -> None:
        await bench.run('echo a=1 >> "$TIDE_OUTPUT"')
        outcome, _ = await bench.run("true")
        assert outcome.values == b""
        outcome, _ = await bench.run('echo b=2 >> "$TIDE_OUTPUT"')
        assert outcome.values == b"b=2\n"

    async def test_a_failed_step_has_values_too(self, bench: Bench) -> None:
        outcome, _ = await bench.run('echo a=1 >> "$TIDE_OUTPUT"; exit 4')
        assert (outcome.code, outcome.values) == (4, b"a=1\n")

    async def test_values_are_read_within_bounds(self, bench: Bench) -> None:
        outcome, _ = await bench.run('head -c 3000000 /dev/zero > "$TIDE_OUTPUT"')
        assert (1 << 20) < len(outcome.values) < (1 << 20) + 4096
