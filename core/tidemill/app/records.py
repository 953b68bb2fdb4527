"""The records of a worker's steps as files of its own folder: see `tidemill.ports.Records`.

A file's name says all that it takes to end a step and to report it, so that this can be
done also where the content is damaged. There is no secret in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from tidemill.broker.codec import NotUnderstoodError, decode, encode
from tidemill.model.rows import TaskRef
from tidemill.ports import Begun, Unreadable

log = logging.getLogger(__name__)

VERSION = 1
"""Of what is in a file; its first line."""

_HEAD = b"tidemill step %d\n" % VERSION
_END = ".step"


class FileRecords:
    """In a folder that one process at a time has for its own: see `FileRecords.of`."""

    def __init__(self, folder: Path, lock: int) -> None:
        self._folder = folder
        self._lock = lock

    @classmethod
    def of(cls, folder: Path) -> FileRecords | None:
        """None where another process of this worker lives: what it has at work is its own.

        Raises:
            OSError: the folder cannot be made.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return cls(folder, lock)

    def close(self) -> None:
        os.close(self._lock)

    def keep(self, begun: Begun) -> None:
        path = self._path(begun)
        new = path.with_suffix(".new")
        try:
            new.touch(0o600)
            new.write_bytes(_HEAD + encode(begun))
            new.rename(path)
        except OSError as error:
            log.warning(
                "%s: nothing is written down of it (%s): if this worker is killed, it is lost",
                begun.order.key,
                error.strerror,
            )

    def drop(self, begun: Begun | Unreadable) -> None:
        with contextlib.suppress(OSError):
            self._path(begun).unlink(missing_ok=True)

    def found(self) -> Sequence[Begun | Unreadable]:
        """What is not of ours is left alone, and said."""
        records: list[Begun | Unreadable] = []
        try:
            paths = sorted(self._folder.iterdir())
        except OSError as error:
            log.warning("%s cannot be read: %s", self._folder, error.strerror)
            return records
        for path in paths:
            if path.suffix == ".new":
                path.unlink()
            elif path.suffix == _END:
                try:
                    records.append(_read(path))
                except ValueError:
                    log.warning("%s is no record of a step: remove it", path)
        return records

    def _path(self, begun: Begun | Unreadable) -> Path:
        if isinstance(begun, Begun):
            order = begun.order
            ref, fence, executor = order.ref, order.fence, order.executor
        else:
            ref, fence, executor = begun.ref, begun.fence, begun.executor
        parts = (f"{ref.run}.{ref.ordinal}.{fence}", executor, begun.token)
        name = "@".join(quote(part, safe="") for part in parts)
        return self._folder / f"{name}{_END}"


def _read(path: Path) -> Begun | Unreadable:
    """Raises: ValueError: not even the name is one of ours."""
    known, executor, token = map(unquote, path.name.removesuffix(_END).split("@"))
    run, ordinal, fence = map(int, known.split("."))
    ref = TaskRef(run, ordinal)
    try:
        head, _, body = path.read_bytes().partition(b"\n")
        if head + b"\n" != _HEAD:
            other = head.startswith(b"tidemill step ")
            why = "is of another version of Tidemill" if other else "is damaged"
            return Unreadable(ref, fence, executor, token, why)
        begun = decode(Begun, body)
    except OSError as error:
        return Unreadable(ref, fence, executor, token, f"cannot be read ({error.strerror})")
    except (NotUnderstoodError, json.JSONDecodeError):
        return Unreadable(ref, fence, executor, token, "is damaged")
    order = begun.order
    if (order.ref, order.fence, order.executor, begun.token) != (ref, fence, executor, token):
        return Unreadable(ref, fence, executor, token, "is that of another step")
    return begun
