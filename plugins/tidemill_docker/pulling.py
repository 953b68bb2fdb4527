"""Images from registries: pulled once for all who wait for the same, and what goes wrong
with a registry in words for the person who must act.

The password of a login goes to the engine with the question, and is kept nowhere: not in
the engine, and not where `docker login` keeps its own.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import threading
from collections.abc import Iterable
from typing import Any

from tidemill.spi import StartError
from tidemill_docker.settings import ImageSettings, RegistryLogin

SILENCE = 120.0
"""Seconds without a word of a pull's progress, after which it is given up. The engine says
something several times a second while anything moves."""
_AT_A_TIME = 4
_CLOSED = "the Docker executor was closed while it pulled the image"

_NOT_LET_IN = ("unauthorized", "authentication", "denied", "no basic auth")
_OTHER_CONTENT = ("verification failed", "digest mismatch", "does not match")
_UNKNOWN = ("manifest unknown", "name unknown", "not found")
_OUT_OF_REACH = (
    "connection refused", "connection reset", "no such host", "server misbehaving", "unreachable",
    "timeout", "deadline exceeded", "eof", "dial tcp", "lookup ",
)  # fmt: skip


class Pulls:
    """Those under way. One that nobody waits for any more goes on: the next try needs it.
    Its thread holds up no exit of the process, which ends the pull in the engine, too."""

    def __init__(self) -> None:
        self._under_way: dict[tuple[str, RegistryLogin | None], asyncio.Future[str]] = {}
        self._closed = False
        self._room = threading.Semaphore(_AT_A_TIME)

    async def pull(self, client: Any, settings: ImageSettings) -> None:
        """Who has another login than the one that pulls has to be let in by it.

        Raises:
            StartError: the image cannot be had.
        """
        if self._closed:
            raise StartError(_CLOSED)
        key = settings.image, settings.registry
        coming = self._under_way.get(key)
        if coming is None:
            coming = self._under_way[key] = self._begin(client, settings)
            coming.add_done_callback(lambda _: self._under_way.pop(key, None))
        if why := await asyncio.shield(coming):
            raise StartError(why)

    def close(self) -> None:
        """Nobody waits any more."""
        self._closed = True
        for coming in tuple(self._under_way.values()):
            _settle(coming, _CLOSED)

    def _begin(self, client: Any, settings: ImageSettings) -> asyncio.Future[str]:
        loop = asyncio.get_running_loop()
        coming: asyncio.Future[str] = loop.create_future()

        def work() -> None:
            with self._room:
                why = _pull(client, settings)
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(_settle, coming, why)

        threading.Thread(target=work, name="tide-docker-pull", daemon=True).start()
        return coming


def _settle(coming: asyncio.Future[str], why: str) -> None:
    if not coming.done():
        coming.set_result(why)


def _pull(client: Any, settings: ImageSettings) -> str:
    """Why the image could not be had; empty where it could."""
    import requests
    import urllib3
    from docker import errors

    image, who = settings.image, ""
    try:
        auth, who = _login(client, settings)
        for line in client.pull(image, auth_config=auth, stream=True, decode=True):
            if "error" in line:
                return _refused(settings, who, str(line["error"]))
    except errors.APIError as error:
        return _refused(settings, who, str(error.explanation or error))
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        return _stands_still(image)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        if "timed out" in str(error):
            return _stands_still(image)
        return f"the Docker engine broke off the pull of the image {image}: {_line(error)}"
    except errors.DockerException as error:
        return f"cannot pull the image {image}: {_line(error)}"
    except Exception as error:  # noqa: BLE001 -- somebody waits for an answer, whatever it is
        return f"cannot pull the image {image}: {type(error).__name__}: {_line(error)}"
    return ""


def _login(client: Any, settings: ImageSettings) -> tuple[dict[str, str] | None, str]:
    """For the registry, and in words for people. Where the settings have none it is that of
    `docker login`, which may have changed since the last time."""
    from docker import auth

    if settings.registry is not None:
        name, password = settings.registry.username, settings.registry.password
        return {"username": name, "password": password.get_secret_value()}, f"as {name!r}"
    client.reload_config()
    registry = auth.resolve_repository_name(settings.image)[0]
    known = auth.get_config_header(client, registry)
    return None, "with the login of `docker login`" if known else "without a login"


def _refused(settings: ImageSettings, who: str, said: str) -> str:
    image, shown = settings.image, _line(_without_login(said, settings.registry))
    reason = f"({shown})"
    if _tells(said, image, _NOT_LET_IN):
        return (
            f"the registry refuses the image {image} {who}: check its name and the "
            f"setting `registry` {reason}"
        )
    if _tells(said, image, _UNKNOWN):
        why = "its registry has none of this name and tag or digest; check them"
    elif _tells(said, image, _OUT_OF_REACH):
        why = (
            "its registry cannot be reached, or broke off; check its name, and that the "
            "worker's machine reaches it"
        )
    elif _tells(said, image, _OTHER_CONTENT):
        why = "what came is not what was pushed; push it again, or name a registry to be trusted"
    else:
        return f"cannot pull the image {image}: {shown}"
    return f"cannot pull the image {image}: {why} {reason}"


def _without_login(said: str, login: RegistryLogin | None) -> str:
    """The engine passes on what a registry says, which may be what it was told."""
    if login is None:
        return said
    password = login.password.get_secret_value()
    both = f"{login.username}:{password}".encode()
    forms = (
        password,
        base64.b64encode(both).decode(),
        base64.b64encode(password.encode()).decode(),
    )
    if any(form in said for form in forms if form):
        return "its reason is not shown: the login stands in it"
    return said


def _tells(said: str, image: str, words: Iterable[str]) -> bool:
    """By an engine's own words: the name of an image may be any word."""
    repository = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    text = re.sub(r'"https?://[^"]*"', "", said).replace(image, "").replace(repository, "")
    return any(each in text.lower() for each in words)


def _stands_still(image: str) -> str:
    return (
        f"cannot pull the image {image}: nothing has come for {SILENCE:g} s; check that its "
        f"registry answers (docker pull {image} on the worker's machine), and try again"
    )


def _line(said: object) -> str:
    return (str(said).strip().splitlines() or ["it gives no reason"])[0][:500]
