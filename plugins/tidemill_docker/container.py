"""How containers are made: what they may do, what they see, and whose they are."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tidemill.spi import OUTPUT_KEPT, Work
from tidemill_docker import owner, program
from tidemill_docker.settings import DockerSettings, ImageSettings, Service, own_user

_NOWHERE: tuple[str, Mapping[str, str]] = ("none", {})
_KEPT = ("local", {"max-size": f"{OUTPUT_KEPT + (4 << 20)}", "max-file": "2", "compress": "false"})
"""All that the engine is asked for is in the first file, and nobody else may read it."""
_NANO = 1_000_000_000
SHELL = "sh"
NO_ADDRESS = "com.docker.network.bridge.inhibit_ipv4"
"""The machine is not in the network itself, so its own servers are not reached there."""
_NO_DNS = ("127.0.0.1",)
"""Names are asked for within the container, where nobody answers. An engine may else send
questions on from the machine, also where a network leads nowhere (CVE-2024-29018)."""


def user_of(settings: ImageSettings) -> str:
    return settings.user or own_user()


def configuration(
    settings: DockerSettings, work: Work, folder: Path, labels: Mapping[str, str], network: str
) -> dict[str, Any]:
    """The arguments of `create_container` for a step. The output of one that may be taken up
    is kept by the engine, in bounds; else nowhere: a flood of it fills no disk."""
    from docker.types import Mount

    mounts = [Mount(program.HOME, str(folder), type="bind")]
    source = folder / "workspace" if settings.workspace == "none" else work.project
    mounts.append(
        Mount(program.WORKSPACE, str(source), type="bind", read_only=settings.workspace == "ro")
    )
    kept = _KEPT if labels.get(owner.RECOVERABLE) == "yes" else _NOWHERE
    return {
        **_common(settings, labels),
        "entrypoint": [SHELL],
        "command": [],
        "working_dir": "/",
        "stdin_open": True,
        "host_config": _host(settings, network, mounts=mounts, log=kept, alone=is_alone(settings)),
    }


def is_alone(settings: DockerSettings) -> bool:
    """Whether the step and its services are to reach each other and nobody else."""
    return bool(settings.service) and settings.network == "none"


def of_service(
    name: str, service: Service, labels: Mapping[str, str], network: str, *, alone: bool
) -> dict[str, Any]:
    """The arguments of `create_container` for a service. With variables it waits for our
    program on its standard input."""
    kept = {"max-size": "1m", "max-file": "1"}
    memory = {path: in_memory(service) for path in service.writable}
    made = {
        **_common(service, labels),
        "hostname": name,
        "host_config": _host(service, network, tmpfs=memory, log=("json-file", kept), alone=alone),
    }
    if service.env:
        return made | {"entrypoint": [SHELL], "command": [], "stdin_open": True}
    return made | {"command": list(service.command) or None}


def on_network(network: str, name: str) -> dict[str, Any]:
    """Known there by this name."""
    return {"EndpointsConfig": {network: {"Aliases": [name]}}}


def _common(settings: ImageSettings, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "image": settings.image,
        "user": user_of(settings),
        "labels": dict(labels),
        "healthcheck": {"test": ["NONE"]},
        "stop_signal": "SIGKILL",
    }


def _in_memory(settings: ImageSettings, options: str = "mode=1777") -> str:
    return f"rw,nosuid,nodev,exec,{options},size={int(settings.tmp)}"


def in_memory(settings: ImageSettings) -> str:
    """A folder that is its user's own: many servers refuse one that others may write to."""
    return _in_memory(settings, _owned(settings))


def with_volumes(made: dict[str, Any], settings: ImageSettings, paths: Iterable[str]) -> None:
    """Puts memory where the image would have a volume: on the disk that is the engine's, and
    so of all steps, and of no size. What is mounted there by our own choice stays."""
    tmpfs = made["host_config"]["Tmpfs"]
    for path in paths:
        folder = posixpath.normpath(f"/{path.lstrip('/')}")
        if folder not in {program.HOME, program.WORKSPACE}:
            tmpfs.setdefault(folder, in_memory(settings))


def _owned(settings: ImageSettings) -> str:
    uid, _, gid = user_of(settings).partition(":")
    if not uid.isdecimal() or not (gid or "0").isdecimal():
        return "mode=1777"
    return f"mode=700,uid={uid},gid={gid or 0}"


def _host(
    settings: ImageSettings,
    network: str,
    *,
    mounts: Sequence[Any] = (),
    tmpfs: Mapping[str, str] | None = None,
    log: tuple[str, Mapping[str, str]] = _NOWHERE,
    alone: bool = False,
) -> Any:
    """What holds both steps and services."""
    from docker.types import HostConfig, LogConfig

    return HostConfig(
        version="1.40",
        init=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        privileged=False,
        read_only=settings.read_only,
        network_mode=network,
        dns=list(_NO_DNS) if alone else None,
        ipc_mode="private",
        pids_limit=settings.pids,
        nano_cpus=None if settings.cpus is None else int(settings.cpus * _NANO),
        mem_limit=settings.memory,
        memswap_limit=settings.memory,
        tmpfs={program.TMP: _in_memory(settings), **(tmpfs or {})},
        mounts=list(mounts),
        log_config=LogConfig(type=log[0], config=dict(log[1])),
        restart_policy={"Name": "no"},
    )


def variables(work: Work) -> dict[str, str]:
    """The step's variables; what else there is comes from the image."""
    env = {"HOME": program.TMP, **work.env}
    env["TIDE_OUTPUT"] = f"{program.HOME}/{program.OUTPUT}"
    env["TMPDIR"] = program.TMP
    env["TIDE_PROJECT"] = program.WORKSPACE
    if work.inputs:
        env["TIDE_INPUTS"] = f"{program.HOME}/{program.INPUTS}"
    return env
