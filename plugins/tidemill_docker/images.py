"""Containers made from images, which are pulled as the settings say."""

from __future__ import annotations

from typing import Any

from tidemill.spi import StartError
from tidemill_docker import container
from tidemill_docker.engine import Engine, Missing, Refused
from tidemill_docker.settings import ImageSettings

_NO_NAME = "invalid reference format"


async def create(engine: Engine, settings: ImageSettings, made: dict[str, Any]) -> str:
    """Makes a container, and returns its name.

    Raises:
        StartError: the image cannot be had.
    """
    image = await _had(engine, settings)
    if settings.image_volumes == "tmpfs":
        container.with_volumes(made, settings, (image["Config"] or {}).get("Volumes") or ())
    try:
        return str((await engine.call("create_container", **made))["Id"])
    except Missing as error:
        raise _gone(settings) from error


async def _had(engine: Engine, settings: ImageSettings) -> dict[str, Any]:
    """What the engine knows of the image, which is pulled where it must be."""
    if settings.pull != "always":
        if (found := await _known(engine, settings)) is not None:
            return found
        if settings.pull == "never":
            raise StartError(
                f'the engine has no image {settings.image}, and `pull` is "never": '
                f'run docker pull {settings.image}, or set pull = "missing"'
            )
    await engine.pull(settings)
    if (found := await _known(engine, settings)) is None:
        raise _gone(settings)
    return found


async def _known(engine: Engine, settings: ImageSettings) -> dict[str, Any] | None:
    try:
        return dict(await engine.call("inspect_image", settings.image))
    except Missing:
        return None
    except Refused as error:
        if _NO_NAME in str(error):
            raise StartError(f"{settings.image!r} is no name of an image: {error}") from error
        raise


def _gone(settings: ImageSettings) -> StartError:
    return StartError(
        f"the image {settings.image} was here, and is gone again: see what removes images on "
        "this machine"
    )
