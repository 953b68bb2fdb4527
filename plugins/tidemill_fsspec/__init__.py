"""Artifacts in object stores of clouds, through fsspec: `s3://`, `gs://`, `az://`, `abfs://`.

Each of these makes an object visible in one go, when all of it has come. What a worker that
dies has sent of it is seen by nobody; a bucket's own life-cycle rule removes such parts.

fsspec itself does the work for S3 with `s3fs`, for Google with `gcsfs`, for Azure with `adlfs`.
Credentials are found as those libraries find them: in the environment, in a profile, by the
machine's own role. They belong neither into the address nor into `tidemill.toml`.
"""

from __future__ import annotations

from typing import Any

from tidemill.spi import (
    ArtifactError,
    ArtifactStore,
    ArtifactStoreType,
    StoreContext,
    hookimpl,
)
from tidemill_fsspec.settings import AzureSettings, GoogleSettings, S3Settings

__all__ = ["TIDEMILL_SPI", "AzureSettings", "GoogleSettings", "S3Settings"]

TIDEMILL_SPI = 1


def _make(address: str, settings: Any, context: StoreContext) -> ArtifactStore:
    del context
    from tidemill_fsspec.store import FsspecStore  # only where it is used

    scheme, _, path = address.partition("://")
    path = path.strip("/")
    if not path or "@" in path:
        raise ArtifactError(
            f"artifacts: an address of {scheme} is {scheme}://BUCKET/PREFIX, without credentials"
        )
    return FsspecStore(scheme, path, settings)


@hookimpl
def tidemill_artifact_stores() -> list[ArtifactStoreType]:
    return [
        ArtifactStoreType("s3", S3Settings, _make, "Amazon S3, and what speaks like it."),
        ArtifactStoreType("gs", GoogleSettings, _make, "Google Cloud Storage."),
        ArtifactStoreType("az", AzureSettings, _make, "Azure Blob Storage."),
        ArtifactStoreType("abfs", AzureSettings, _make, "Azure Data Lake Storage Gen2."),
    ]
