"""What may stand beside `url` in the table `artifacts` of `tidemill.toml`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_PART = 8 << 20
"""Bytes of a part of a large object: two of them are in memory at a time."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def options(self) -> dict[str, Any]:
        """As the file system takes them; what is not set is left to it."""
        return {name: value for name, value in self.model_dump().items() if value}

    def put_options(self) -> dict[str, Any]:
        return {}


class S3Settings(_Settings):
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

    def put_options(self) -> dict[str, Any]:
        return {"chunksize": _PART, "max_concurrency": 2}


class GoogleSettings(_Settings):
    project: str = Field("", description="Whose bucket it is.")
    token: str = Field("", description="A file with the key of a service account.")


class AzureSettings(_Settings):
    account_name: str = Field("", description="The storage account.")
