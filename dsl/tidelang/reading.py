"""Reading source files, with errors that say what to do.

The one place of the front that touches the file system.
"""

from __future__ import annotations

import re
from pathlib import Path

from tidelang.diagnostics import Diagnostic
from tidelang.limits import FILE_BYTES
from tidelang.source import Source, Span

_ODD = re.compile("[\x00\ud800-\udfff]")


class SourceError(Exception):
    """A file that cannot be read as a Tide source; the message is one line for people."""


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
    if len(data) > FILE_BYTES:
        raise SourceError(f"{name}: larger than {FILE_BYTES // 2**20} MiB, too large for a source")
    return Source(name, _decoded(name, data))


def _decoded(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
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
