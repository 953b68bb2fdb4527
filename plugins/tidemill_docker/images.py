"""Containers made from images, which are pulled as the settings say."""

from __future__ import annotations

from typing import Any

from tidemill.spi import StartError
from tidemill_docker.engine import Engine, Missing, Refused
from tidemill_docker.settings import ImageSettings

_NO_NAME = "invalid reference format"


async def have(engine: Engine, settings: ImageSettings) -> None:
    """Pulls ahead of time what `create` would have to pull.

    Raises:
        StartError: the image cannot be had.
    """
    if settings.pull == "always" or (
        settings.pull == "missing" and not await engine.has_image(settings.image)
    ):
        await engine.pull(settings)


async def create(engine: Engine, settings: ImageSettings, made: dict[str, Any]) -> str:
    """Makes a container, and returns its name. That the image is missing is seen from the
    refusal, which spares asking for it each time.

    Raises:
        StartError: the image cannot be had.
    """
    if settings.pull == "always":
        await engine.pull(settings)
    try:
        return str((await engine.call("create_container", **made))["Id"])
    except Missing as error:
        if settings.pull == "never":
            raise StartError(
                f'the engine has no image {settings.image}, and `pull` is "never": '
                f'run docker pull {settings.image}, or set pull = "missing"'
            ) from error
    except Refused as error:
        if _NO_NAME in str(error):
            raise StartError(f"{settings.image!r} is no name of an image: {error}") from error
        raise
    await engine.pull(settings)
    try:
        return str((await engine.call("create_container", **made))["Id"])
    except Missing as error:
        raise StartError(
            f"the image {settings.image} was pulled, and is gone again: see what removes images "
            "on this machine"
        ) from error
