"""The Docker engine: calls of the `docker` package, which block, in threads of a bounded
pool, and its failures in words for the person who must act."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tidemill.spi import StartError
from tidemill_docker import pulling
from tidemill_docker.settings import ImageSettings

_T = TypeVar("_T")
_THREADS = 12
_TIMEOUT = 60
_DEFAULT = "unix:///var/run/docker.sock"


class EngineGone(Exception):
    """The engine does not answer; the text says why."""


class Missing(Exception):
    """The engine has no such container or image."""


class Refused(Exception):
    """The engine answered that it will not or cannot; the text is its own."""


class Engine:
    """Calls are methods of `docker.APIClient` by their names."""

    def __init__(self) -> None:
        self.url = os.environ.get("DOCKER_HOST") or _DEFAULT
        self._client: Any = None
        self._connecting = asyncio.Lock()
        self._calls = ThreadPoolExecutor(_THREADS, "tide-docker")
        self._pulls = pulling.Pulls()  # they take long: a step must be stopped beside them

    async def connect(self) -> None:
        """Raises: StartError: there is no engine, or no `docker` package."""
        async with self._connecting:
            if self._client is None:
                self._client = await self._run(self._calls, _connect, self.url)

    async def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Raises: Missing, Refused, EngineGone."""
        function = functools.partial(_ask, self._client, method, arguments, named)
        return await self._run(self._calls, function)

    async def pull(self, settings: ImageSettings) -> None:
        """Raises: StartError: the image cannot be had."""
        await self._pulls.pull(self._client, settings)

    def give_up_pulls(self) -> None:
        self._pulls.close()

    async def shown(self, container: str) -> dict[str, Any] | None:
        """What the engine shows of a container; None where it has none."""
        try:
            return dict(await self.call("inspect_container", container))
        except Missing:
            return None

    async def close(self) -> None:
        self._calls.shutdown(wait=False, cancel_futures=True)
        self._pulls.close()
        if self._client is not None:
            self._client.close()

    async def _run(self, pool: ThreadPoolExecutor, call: Callable[..., _T], *given: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(pool, call, *given)


def _connect(url: str) -> Any:
    try:
        import docker
        from docker.utils import kwargs_from_env
    except ImportError as error:
        raise StartError(
            "the Docker executor needs the docker package: pip install 'tidemill[docker]'"
        ) from error
    if url.startswith(("ssh://", "npipe://")) or os.environ.get("DOCKER_TLS_VERIFY"):
        raise StartError(
            f"the Docker executor cannot use the engine at {url}: it needs one on this machine, "
            "by its socket and without TLS (set DOCKER_HOST)"
        )
    try:
        given = {**kwargs_from_env(), "version": "auto", "timeout": _TIMEOUT}
        return _bounded(docker.APIClient)(max_pool_size=_THREADS, **given)
    except (docker.errors.DockerException, OSError) as error:
        raise StartError(not_reachable(url, str(error))) from error


def _bounded(client: Any) -> Any:
    """The package lets a pull wait without end for an engine that waits for a registry."""

    class Bounded(client):  # type: ignore[misc]
        def send(self, request: Any, **given: Any) -> Any:
            timeout = given.pop("timeout", None) or pulling.SILENCE
            return super().send(request, timeout=timeout, **given)

    return Bounded


def _ask(client: Any, method: str, arguments: Any, named: Any) -> Any:
    import requests
    from docker import errors

    try:
        return getattr(client, method)(*arguments, **named)
    except errors.NotFound as error:
        raise Missing(_said(error)) from error
    except errors.APIError as error:
        raise Refused(_said(error)) from error
    except (errors.DockerException, requests.RequestException, OSError) as error:
        raise EngineGone(_first_line(str(error))) from error


def not_reachable(url: str, said: str) -> str:
    if "Permission denied" in said:
        why = "this user may not use its socket: join the group `docker`, or use a rootless engine"
    elif "No such file" in said or "FileNotFoundError" in said:
        why = "there is no such socket: install and start Docker, or set DOCKER_HOST"
    elif "refused" in said:
        why = "nothing answers there: start Docker, or set DOCKER_HOST"
    else:
        why = _first_line(said)
    return f"cannot reach the Docker engine at {url}: {why}"


def _said(error: Any) -> str:
    return _first_line(str(error.explanation or error))


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or ["it gives no reason"])[0][:500]
