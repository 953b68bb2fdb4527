"""What may stand beside `url` in the table `artifacts` of `tidemill.toml`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_PART = 8 << 20
"""Bytes of a part of a large object: two of them are in memory at a time."""


_PARTS = 9000
"""S3 takes 10,000 parts of an object."""


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def options(self) -> dict[str, Any]:
        """As the file system takes them; what is not set is left to it."""
        return {name: value for name, value in self.model_dump().items() if value}

    def put_options(self, size: int) -> dict[str, Any]:
        """For an object of so many bytes."""
        del size
        return {}

    def get_options(self) -> dict[str, Any]:
        return {}


class S3Settings(Settings):
    endpoint_url: str = Field("", description="Of a store that is not Amazon's.")
    region: str = Field("", description="Where the bucket is.")
    profile: str = Field("", description="Of the credentials, in ~/.aws.")

    def options(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.endpoint_url:
            found["endpoint_url"] = self.endpoint_url
        if self.region:
            found["client_kwargs"] = {"region_name": self.region}
        if self.profile:
            found["profile"] = self.profile
        return found

    def put_options(self, size: int) -> dict[str, Any]:
        return {"chunksize": max(_PART, size // _PARTS + 1), "max_concurrency": 2}

    def get_options(self) -> dict[str, Any]:
        """One after another: by itself it asks for ten parts of 50 MiB at once."""
        return {"max_concurrency": 1}


class GoogleSettings(Settings):
    project: str = Field("", description="Whose bucket it is.")
    token: str = Field("", description="A file with the key of a service account.")


class AzureSettings(Settings):
    account_name: str = Field("", description="The storage account.")
