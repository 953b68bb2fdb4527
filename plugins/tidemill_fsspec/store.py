"""An artifact store on a file system of fsspec, whose calls are made in threads."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tidemill.spi import ArtifactError, ArtifactNotFoundError, StoredObject
from tidemill_fsspec.settings import Settings

T = TypeVar("T")

NEW = ".new-"
"""What the names begin with of objects that are being written."""

_PACKAGES = {"gs": " gcsfs", "az": " adlfs", "abfs": " adlfs"}
"""What it takes besides the extra."""

_TIMES = ("LastModified", "last_modified", "updated", "mtime", "created")


class FsspecStore:
    """See `tidemill.spi.ArtifactStore`. `whole` says whether the file system shows what is
    put only when all of it has come; else it is put under another name, and moved."""

    def __init__(
        self,
        scheme: str,
        base: str,
        settings: Settings,
        *,
        whole: bool = True,
    ) -> None:
        self._scheme, self._base = scheme, base
        self._settings = settings
        self._whole = whole
        self._system: Any = None
        self._making = threading.Lock()

    async def put(self, key: str, source: Path) -> None:
        await self._do(key, self._put, source)

    async def get(self, key: str, target: Path) -> None:
        await self._do(key, self._get, target)

    async def find(self, key: str) -> StoredObject | None:
        return await self._do(key, self._find)

    async def list(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        """A folder at a time."""
        todo = [prefix.rpartition("/")[0]]
        while todo:
            for found in await self._do(todo.pop(), self._look):
                key = self._key(found["name"])
                if found["type"] == "directory":
                    if f"{key}/".startswith(prefix) or prefix.startswith(f"{key}/"):
                        todo.append(key)
                elif key.startswith(prefix) and not _is_new(key):
                    yield _object(key, found)

    async def remove(self, key: str) -> None:
        await self._do(key, self._remove)

    async def close(self) -> None:
        self._system = None

    # in threads

    async def _do(self, key: str, work: Callable[..., T], *arguments: object) -> T:
        where = f"{self._scheme}://{self._base}"
        path = f"{self._base}/{key}" if key else self._base
        try:
            return await asyncio.to_thread(work, path, *arguments)
        except ArtifactNotFoundError:
            raise ArtifactNotFoundError(f"{key} is not in {where}") from None
        except ArtifactError:
            raise
        # What stands below fsspec raises what it likes.
        except Exception as error:
            text = " ".join(str(error).split()) or type(error).__name__
            raise ArtifactError(f"{where}: {text}") from error

    def _put(self, path: str, source: Path) -> None:
        system = self._opened()
        options = self._settings.put_options(source.stat().st_size)
        if self._whole:
            system.put_file(str(source), path, **options)
            return
        folder, _, _ = path.rpartition("/")
        partial = f"{folder}/{NEW}{uuid.uuid4().hex}"
        system.makedirs(folder, exist_ok=True)
        try:
            system.put_file(str(source), partial, **options)
            system.mv(partial, path)
        except BaseException:
            if system.exists(partial):
                system.rm_file(partial)
            raise

    def _get(self, path: str, target: Path) -> None:
        system = self._opened()
        try:
            if system.info(path)["type"] != "file":
                raise ArtifactNotFoundError
            system.get_file(path, str(target), **self._settings.get_options())
        except (FileNotFoundError, NotADirectoryError):
            raise ArtifactNotFoundError from None

    def _find(self, path: str) -> StoredObject | None:
        try:
            found = self._opened().info(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return _object(self._key(path), found) if found["type"] == "file" else None

    def _look(self, path: str) -> Sequence[Mapping[str, Any]]:
        """What is in a folder; one that is an object itself has nothing in it."""
        try:
            found: Sequence[Mapping[str, Any]] = self._opened().ls(path, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        inside = self._key(path)
        return [each for each in found if self._key(each["name"]).strip("/") not in ("", inside)]

    def _remove(self, path: str) -> None:
        system = self._opened()
        try:
            if system.info(path)["type"] == "file":
                system.rm_file(path)
        except FileNotFoundError:
            return

    def _key(self, path: str) -> str:
        """What it is below the base."""
        bare = str(path).strip("/")
        return bare.removeprefix(self._base.strip("/")).strip("/")

    def _opened(self) -> Any:
        with self._making:
            if self._system is None:
                self._system = self._open()
            return self._system

    def _open(self) -> Any:
        try:
            import fsspec  # type: ignore[import-untyped]

            # Others put and remove beside us: nothing that was seen may be believed later.
            return fsspec.filesystem(
                self._scheme,
                skip_instance_cache=True,
                use_listings_cache=False,
                **self._settings.options(),
            )
        except ImportError as error:
            more = _PACKAGES.get(self._scheme, "")
            raise ArtifactError(
                f"artifacts in {self._scheme}:// need a package that is not installed: "
                f"pip install 'tidemill[fsspec]'{more}"
            ) from error


def _is_new(key: str) -> bool:
    return key.rpartition("/")[2].startswith(NEW)


def _object(key: str, found: Mapping[str, Any]) -> StoredObject:
    return StoredObject(key, int(found["size"] or 0), _time(found))


def _time(found: Mapping[str, Any]) -> float:
    """When it was put: each file system has its own word for that."""
    at = next((found[name] for name in _TIMES if found.get(name)), 0.0)
    if isinstance(at, str):
        at = dt.datetime.fromisoformat(at)
    if isinstance(at, dt.datetime):
        return (at if at.tzinfo else at.replace(tzinfo=dt.UTC)).timestamp()
    return float(at)
