"""The documents are true: every command and every Tide file in them is run."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from documents import Command, Fenced, Note, commands, missing, pieces

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "docs/tutorial.md",
    *(
        path
        for path in sorted(ROOT.glob("docs/how-to/*.md"))
        if path.name != "write-a-plugin.md"  # it installs things: tests/plugins/test_third_party.py
    ),
    *sorted(ROOT.glob("docs/explanation/*.md")),
    *sorted(ROOT.glob("examples/*/README.md")),
    ROOT / "docs/reference/language.md",
]
KINDS = {"yaml", "tide", "console", "sh", "text", "mermaid", "toml", "python", "ebnf", ""}


class Session:
    """A folder in which a document's files are written and its commands are run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tidemill.toml").touch()
        self.notes: dict[str, str] = {}
        self.blocks = 0
        self.beside: list[tuple[Command, subprocess.Popen[bytes], Path]] = []

    def read(self, piece: Note | Fenced) -> None:
        if isinstance(piece, Note):
            self.notes[piece.name] = piece.value
            if piece.name == "folder":
                self._copy(ROOT / piece.value)
            return
        assert piece.kind in KINDS, f"a block of kind {piece.kind!r} is run by nothing"
        if name := self.notes.get("file"):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(piece.text)
        if piece.kind == "tide":
            self._validate(piece.text, valid="wrong" not in self.notes)
        if piece.kind == "console":
            for command in commands(piece.text):
                if text := self.notes.pop("beside", ""):
                    self._start(command, text)
                else:
                    self._type(command)
        if piece.kind == "yaml":
            for key, typed in re.findall(r"(?m)^ *(- run:|-|entry:) (tidemill .*)$", piece.text):
                self._take(f"{typed} *.tide" if key == "entry:" else typed)  # as a hook is called
        self.notes.clear()

    def _take(self, typed: str) -> None:
        """A command in somebody else's file: it does its work, whatever it finds here."""
        done = self._run(["bash", "-c", typed])
        assert done.returncode in {0, 1}, f"{typed}\n{done.stdout}"

    def _copy(self, source: Path) -> None:
        self.folder = self.folder / source.name
        ignore = shutil.ignore_patterns(".tidemill", "build", "dist", "__pycache__")
        shutil.copytree(source, self.folder, ignore=ignore)

    def _validate(self, text: str, *, valid: bool) -> None:
        self.blocks += 1
        file = self.folder / f".block{self.blocks}.tide"
        file.write_text(text)
        done = self._run([str(BIN / "tidemill"), "validate", file.name])
        assert done.returncode == (0 if valid else 1), f"{text}\n{done.stdout}"
        file.unlink()

    def _type(self, command: Command) -> None:
        done = self._run(["bash", "-c", command.typed])
        assert re.match(r"(\w+=\S+ )*tidemill |cat |ls|touch ", command.typed)
        absent = missing(command, done.stdout)
        assert not absent, f"$ {command.typed}\nmissing: {absent}\nprinted:\n{done.stdout}"

    def _start(self, command: Command, text: str) -> None:
        """Lets it go on beside what follows, once it has printed this text."""
        path = self.folder / f".beside{len(self.beside)}"
        with path.open("wb") as out:
            process = subprocess.Popen(
                ["bash", "-c", f"exec env {command.typed}"],
                stdout=out,
                stderr=subprocess.STDOUT,
                **self._world(),
            )
        self.beside.append((command, process, path))
        while text not in path.read_text():
            assert process.poll() is None, path.read_text()
            time.sleep(0.05)

    def close(self) -> None:
        """What goes on beside must come to its end by itself, and have printed its lines."""
        for command, process, path in self.beside:
            if command.typed.startswith("tidemill up"):  # it ends when it is told to
                process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
            printed = path.read_text()
            assert not missing(command, printed), printed

    def _world(self) -> dict[str, Any]:
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        env = os.environ | {"PATH": path, "COLUMNS": "100"}
        return {"cwd": self.folder, "env": env, "stdin": subprocess.DEVNULL}

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            **self._world(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_shows_happens(document: Path, tmp_path: Path) -> None:
    session = Session(tmp_path)
    for piece in pieces(document.read_text()):
        session.read(piece)
    session.close()


@pytest.mark.parametrize(
    "document",
    [*DOCUMENTS, ROOT / "CONTRIBUTING.md"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_shell_blocks_use_only_targets_that_make_has(document: Path) -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    for piece in pieces(document.read_text()):
        if isinstance(piece, Fenced) and piece.kind == "sh":
            assert set(re.findall(r"(?m)^make ([a-z-]+)", piece.text)) <= targets


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        ("build  ok in 1.2 s", "build ok in 37 ms", True),
        ("run 1 12:30:01 abcdef0123", "run 1 09:00:59 0123456789abcdef", True),
        ("build ok", "build failed", False),
        ("3 passed", "4 passed", False),
    ],
)
def test_only_times_and_digests_may_differ(printed: str, shown: str, same: bool) -> None:
    assert (missing(Command("x", (shown,)), printed) == []) is same


def test_a_console_block_is_read_as_commands_and_what_they_print() -> None:
    block = "$ one \\\n  two\nout\n…\n\n$ three\n"
    assert list(commands(block)) == [Command("one   two", ("out",)), Command("three", ())]
