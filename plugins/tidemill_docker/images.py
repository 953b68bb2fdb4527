"""Containers made from images, which are pulled as the settings say."""

from __future__ import annotations

from typing import Any

from tidemill.spi import StartError
from tidemill_docker.engine import Engine, Missing
from tidemill_docker.settings import ImageSettings


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
    await engine.pull(settings)
    return str((await engine.call("create_container", **made))["Id"])
