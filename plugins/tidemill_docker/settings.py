"""The settings of `executor docker { … }` in a `.tide` file."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field, SecretStr, field_validator

Variable = Annotated[SecretStr | str, Field(union_mode="left_to_right")]
_NOBODY = 65534
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
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


class ImageSettings(BaseModel):
    """An image, and what bounds a container of it."""

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
    user: str = Field(
        default="",
        description="The user that it runs as, as `uid:gid` or a name in the image; by "
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
    tmp: ByteSize = Field(
        default=ByteSize(1 << 30),
        ge=4096,
        description="At most so much in `/tmp`, which is in memory.",
    )
    image_volumes: Literal["tmpfs", "anonymous"] = Field(
        default="tmpfs",
        description="What the volumes are that the image declares: empty folders in memory, of "
        "at most `tmp` each, or folders on the engine's disk, without a bound, with what the "
        "image has there.",
    )
    read_only: bool = Field(
        default=True,
        description="Whether the image's files cannot be written to. `/tmp` always can.",
    )


class Service(ImageSettings):
    """Runs beside the step, which reaches it by its name."""

    command: tuple[str, ...] = Field(
        default=(), description="The arguments for the image's program, in place of its own."
    )
    env: dict[str, Variable] = Field(
        default_factory=dict,
        description="Its variables; with any, the image must have a `sh`.",
    )
    writable: tuple[str, ...] = Field(
        default=(), description="Folders that it may write to; they are empty, and in memory."
    )
    ready: tuple[str, ...] = Field(
        default=(), description="A command in its container that ends with 0 when it is ready."
    )
    port: int | None = Field(
        default=None, ge=1, le=65535, description="It is ready when something listens there."
    )
    interval: timedelta = Field(
        default=timedelta(milliseconds=500), description="The wait between two looks."
    )
    timeout: timedelta = Field(
        default=timedelta(minutes=1), description="By when it must be ready."
    )

    def variables(self) -> dict[str, str]:
        """Its variables in plain, secrets too."""
        return {
            name: each if isinstance(each, str) else each.get_secret_value()
            for name, each in self.env.items()
        }

    @field_validator("env")
    @classmethod
    def _names(cls, env: dict[str, Variable]) -> dict[str, Variable]:
        for name in env:
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise ValueError(f"{name!r} is no name of a variable")
        return env

    @field_validator("writable")
    @classmethod
    def _folders(cls, folders: tuple[str, ...]) -> tuple[str, ...]:
        for folder in folders:
            if not folder.startswith("/") or set(folder.split("/")) & {"..", "."}:
                raise ValueError(f"{folder!r} is no absolute path of a folder")
        return folders


class DockerSettings(ImageSettings):
    """Runs the step in a container of the Docker engine on the worker's machine."""

    network: str = Field(
        default="none",
        description="`none`, `bridge`, or the name of a network of the engine. The machine's "
        "own (`host`) is not given.",
    )
    workspace: Literal["rw", "ro", "none"] = Field(
        default="rw",
        description="How the project's folder is mounted at `/workspace`: to write, to read, "
        "or not at all: an empty folder is there then, which is removed at the end.",
    )
    service: dict[str, Service] = Field(
        default_factory=dict,
        description="What runs beside the step, each by its name: `service NAME { … }`.",
    )

    @field_validator("network")
    @classmethod
    def _own_network(cls, name: str) -> str:
        if name in {"host", "default"} or not _NETWORK.fullmatch(name):
            raise ValueError(f"{name!r} is no network of a step's own: name one of the engine's")
        return name

    @field_validator("service")
    @classmethod
    def _host_names(cls, services: dict[str, Service]) -> dict[str, Service]:
        for name in services:
            if not _HOST.fullmatch(name) or name == "localhost":
                raise ValueError(f"{name!r} is no name of a host: small letters, digits and - only")
        return services
