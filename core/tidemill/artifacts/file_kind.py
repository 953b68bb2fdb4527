"""The kind `file`: a folder that all workers reach, as an artifact store."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict

from tidemill.artifacts.file_store import FileStore
from tidemill.errors import UsageError
from tidemill.spi import ArtifactStoreType, StoreContext


class FileSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def folder_of(address: str, root: Path) -> Path:
    """Raises:
    UsageError: it names a host.
    """
    parts = urlsplit(address)
    if parts.netloc not in ("", "localhost"):
        raise UsageError(
            f"{address} names a host", f"write three slashes: file:///{parts.netloc}{parts.path}"
        )
    return root / Path(unquote(parts.path)).expanduser()


def _make(address: str, settings: Any, context: StoreContext) -> FileStore:
    del settings
    return FileStore(folder_of(address, context.root))


KIND = ArtifactStoreType("file", FileSettings, _make, "A folder that all workers reach.")
