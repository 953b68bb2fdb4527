"""The settings of `executor ssh { … }` in a `.tide` file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator


class SshSettings(BaseModel):
    """Runs the step on another host, over SSH."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(
        min_length=1,
        pattern=r"^[^\s-][^\s]*$",
        description="The host to run on: a name, an address, or an alias of `~/.ssh/config`.",
    )
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="The port of its SSH server; by default that of the config, or 22.",
    )
    user: str | None = Field(
        default=None,
        min_length=1,
        description="The user to log in as; by default that of the config, or the worker's own.",
    )
    key: str | None = Field(
        default=None,
        description="A file on the worker that holds the private key to log in with; by "
        "default the agent and the keys that OpenSSH would use.",
    )
    private_key: SecretStr | None = Field(
        default=None,
        description='The private key itself, in place of a file: `secret("NAME")`.',
    )
    passphrase: SecretStr | None = Field(
        default=None,
        description='What the private key is encrypted with: `secret("NAME")`.',
    )
    password: SecretStr | None = Field(
        default=None,
        description='The password to log in with: `secret("NAME")`.',
    )
    known_hosts: str | None = Field(
        default=None,
        description="A file on the worker with the keys of the hosts that are trusted; by "
        "default `~/.ssh/known_hosts`, or what the config says.",
    )
    config: str | None = Field(
        default=None,
        description="A file on the worker in place of `~/.ssh/config`.",
    )
    workdir: str | None = Field(
        default=None,
        description="The folder on the host in which steps run, as an absolute path; by "
        "default a fresh empty one, which is removed when the step has ended.",
    )
    connect_timeout: timedelta = Field(
        default=timedelta(seconds=15),
        gt=timedelta(),
        description="How long to wait until the host has let the worker in.",
    )

    @property
    def patience(self) -> float:
        """`connect_timeout` in seconds."""
        return self.connect_timeout.total_seconds()

    @field_validator("workdir")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        if value is not None and not PurePosixPath(value).is_absolute():
            raise ValueError("the workdir must be an absolute path on the host")
        return value
