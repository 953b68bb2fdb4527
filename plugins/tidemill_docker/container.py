"""How a step's container is made: what it may do, what it sees, and whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidemill.spi import Work
from tidemill_docker import program
from tidemill_docker.settings import DockerSettings, own_user

_NANO = 1_000_000_000
SHELL = "sh"


def user_of(settings: DockerSettings) -> str:
    return settings.user or own_user()


def configuration(
    settings: DockerSettings, work: Work, folder: Path, labels: Mapping[str, str]
) -> dict[str, Any]:
    """The arguments of `create_container`."""
    from docker.types import HostConfig, LogConfig, Mount

    mounts = [Mount(program.HOME, str(folder), type="bind")]
    source = folder / "workspace" if settings.workspace == "none" else work.project
    mounts.append(
        Mount(program.WORKSPACE, str(source), type="bind", read_only=settings.workspace == "ro")
    )
    host = HostConfig(
        version="1.40",
        init=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        privileged=False,
        read_only=settings.read_only,
        network_mode=settings.network,
        ipc_mode="private",
        pids_limit=settings.pids,
        nano_cpus=None if settings.cpus is None else int(settings.cpus * _NANO),
        mem_limit=settings.memory,
        memswap_limit=settings.memory,
        tmpfs={program.TMP: "rw,nosuid,nodev,exec,mode=1777"},
        mounts=mounts,
        log_config=LogConfig(type="none"),  # output is streamed: a flood fills no disk
        restart_policy={"Name": "no"},
    )
    return {
        "image": settings.image,
        "entrypoint": [SHELL],
        "command": [],
        "user": user_of(settings),
        "working_dir": "/",
        "stdin_open": True,
        "labels": dict(labels),
        "healthcheck": {"test": ["NONE"]},
        "host_config": host,
        "stop_signal": "SIGKILL",
    }


def variables(work: Work) -> dict[str, str]:
    """The step's variables; what else there is comes from the image."""
    env = {"HOME": program.TMP, **work.env}
    env["TIDE_OUTPUT"] = f"{program.HOME}/{program.OUTPUT}"
    env["TMPDIR"] = program.TMP
    env["TIDE_PROJECT"] = program.WORKSPACE
    if work.inputs:
        env["TIDE_INPUTS"] = f"{program.HOME}/{program.INPUTS}"
    return env
