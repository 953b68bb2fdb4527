"""Reading source files, with errors that say what to do.

The one place of the front that touches the file system.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Protocol

from tidelang.diagnostics import Diagnostic
from tidelang.limits import FILE_BYTES
from tidelang.source import Source, Span
from tidelang.suggest import nearest

_ODD = re.compile("[\x00\ud800-\udfff]")


class SourceError(Exception):
    """A file that cannot be read as a Tide source; the message is one line for people."""


class ImportFailure(Exception):
    """Why an import cannot be had, as one plain sentence; `help` says what to do, and
    `path` is what the import may have meant."""

    def __init__(self, message: str, help: str = "", path: str = "") -> None:  # noqa: A002
        super().__init__(message)
        self.help = help
        self.path = path


class Loader(Protocol):
    """Finds the files that others import."""

    def key(self, source: Source) -> str:
        """What tells a file from all others, by whatever path it is reached."""

    def load(self, importer: Source, path: str) -> Source:
        """The source that `path` means in a file; the same one for the same key.

        Raises:
            ImportFailure: there is none that may be read.
        """


class NoFiles:
    """For a text that lies in no folder, so that nothing is relative to it."""

    def key(self, source: Source) -> str:
        return source.name

    def load(self, importer: Source, path: str) -> Source:
        del importer, path
        raise ImportFailure("this text is no file, so nothing can be imported into it")


class FolderLoader:
    """Imports from the folder `root` and those below it, symbolic links followed: no
    import reaches what lies outside of a repository."""

    def __init__(self, root: Path) -> None:
        self._root = os.path.realpath(root)
        self.read: dict[str, Source] = {}
        """What was imported, by the real path of each file."""
        self.reached: dict[str, str] = {}
        """The real paths by the absolute ones under which files were asked for."""

    def key(self, source: Source) -> str:
        return os.path.realpath(source.name)

    def load(self, importer: Source, path: str) -> Source:
        if not path or path.startswith(("/", "~")) or "\\" in path or "\0" in path:
            raise ImportFailure(
                "an import names a file by its path from this one, with `/` between folders",
                'for example `import "lib/python.tide" as py`',
            )
        name = os.path.normpath(os.path.join(os.path.dirname(importer.name), path))  # noqa: PTH118, PTH120
        real = os.path.realpath(name)
        if os.path.commonpath([self._root, real]) != self._root:
            raise ImportFailure(
                f"`{path}` leads out of the repository",
                f"what is imported must lie below {_shown(self._root)}",
            )
        if real not in self.read:
            self.read[real] = self._source(name, path)
        self.reached[os.path.abspath(name)] = real  # noqa: PTH100
        return self.read[real]

    def _source(self, name: str, path: str) -> Source:
        if os.path.exists(name) and not os.path.isfile(name):  # noqa: PTH110, PTH113
            raise ImportFailure(f"`{path}` is no file")
        try:
            return read_source(name)
        except SourceError as error:
            if not os.path.lexists(name):
                raise self._missing(name, path) from None
            raise ImportFailure(str(error).removeprefix(f"{name}: ")) from None

    @staticmethod
    def _missing(name: str, path: str) -> ImportFailure:
        folder, wanted = os.path.split(name)
        try:
            found = sorted(each for each in os.listdir(folder or ".") if each.endswith(".tide"))  # noqa: PTH208
        except OSError:
            return ImportFailure(f"there is no folder `{os.path.dirname(path)}`")  # noqa: PTH120
        near = nearest(wanted, found)
        meant = path.removesuffix(wanted) + near if near else ""
        there = f"the .tide files there are {', '.join(found[:8])}" if found else ""
        return ImportFailure(f"there is no file `{path}`", there, meant)


def _shown(folder: str) -> str:
    """A folder as a person who works here would name it."""
    shown = os.path.relpath(folder)
    return "this folder" if shown == "." else shown


def read_source(path: str | Path) -> Source:
    """The source in a file, named as the path was given.

    Raises SourceError where there is no such file, where it is a folder, may not be
    read, is too large or is not UTF-8."""
    name = str(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(FILE_BYTES + 1)
    except FileNotFoundError:
        raise SourceError(f"{name}: there is no such file") from None
    except IsADirectoryError:
        raise SourceError(f"{name}: this is a folder, not a file") from None
    except PermissionError:
        raise SourceError(f"{name}: you may not read this file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{name}: cannot be read: {reason}") from error
    return decoded(name, data)


def decoded(name: str, data: bytes) -> Source:
    """The source that these bytes are.

    Raises:
        SourceError: they are too many, or not UTF-8.
    """
    if len(data) > FILE_BYTES:
        raise SourceError(f"{name}: larger than {FILE_BYTES // 2**20} MiB, too large for a source")
    try:
        return Source(name, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        before = data[: error.start].removeprefix(b"\xef\xbb\xbf")
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8")) + 1
        byte = data[error.start]
        raise SourceError(
            f"{name}:{line}:{column}: byte 0x{byte:02X} is not UTF-8; save the file as UTF-8"
        ) from None


def odd_characters(source: Source) -> tuple[Diagnostic, ...]:
    """Characters that no text may hold: NUL, and halves of surrogate pairs."""
    text = source.text
    if text.isascii() and "\x00" not in text:
        return ()
    return tuple(
        Diagnostic(
            "T002",
            f"the character U+{ord(match[0]):04X} has no place in a text",
            Span(source, match.start(), match.end()),
        )
        for match in _ODD.finditer(text)
    )
