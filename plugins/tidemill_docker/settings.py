"""The settings of `executor docker { … }` in a `.tide` file."""

from __future__ import annotations

import os
import re
from typing import Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field, SecretStr, field_validator

_NOBODY = 65534
_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def own_user() -> str:
    """The worker's own user and group; where that is root, nobody's."""
    uid, gid = os.getuid(), os.getgid()
    return f"{uid}:{gid}" if uid else f"{_NOBODY}:{_NOBODY}"


class RegistryLogin(BaseModel):
    """How to log in where the image is pulled from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    username: str = Field(description="The user name that the registry knows.")
    password: SecretStr = Field(description="Their password or access token.")


class DockerSettings(BaseModel):
    """Runs the step in a container of the Docker engine on the worker's machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str = Field(
        min_length=1, description="The image, by tag or by digest. It must have a `sh`."
    )
    pull: Literal["missing", "always", "never"] = Field(
        default="missing", description="When the image is pulled."
    )
    registry: RegistryLogin | None = Field(
        default=None,
        description="The login for pulling; without it, that of `docker login` is used.",
    )
    network: str = Field(
        default="none",
        description="`none`, `bridge`, or the name of a network of the engine. The machine's "
        "own (`host`) is not given.",
    )
    user: str = Field(
        default="",
        description="The user that the step runs as, as `uid:gid` or a name in the image; by "
        "default the worker's own or, where that is root, 65534:65534.",
    )
    cpus: float | None = Field(
        default=None, gt=0, description="At most so many CPUs; no bound by default."
    )
    memory: ByteSize | None = Field(
        default=None,
        ge=6 << 20,
        description="At most so much memory, swap included, at least 6 MB; no bound by default.",
    )
    pids: int = Field(
        default=512, ge=16, description="At most so many processes and threads at a time."
    )
    read_only: bool = Field(
        default=True,
        description="Whether the image's files cannot be written to. `/tmp` always can.",
    )
    workspace: Literal["rw", "ro", "none"] = Field(
        default="rw",
        description="How the project's folder is mounted at `/workspace`: to write, to read, "
        "or not at all: an empty folder is there then, which is removed at the end.",
    )

    @field_validator("network")
    @classmethod
    def _own_network(cls, name: str) -> str:
        if name in {"host", "default"} or not _NETWORK.fullmatch(name):
            raise ValueError(f"{name!r} is no network of a step's own: name one of the engine's")
        return name
