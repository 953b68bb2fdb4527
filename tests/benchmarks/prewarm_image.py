"""For `prewarm.py`: a Docker engine whose image is in a registry, and between the rounds nowhere
else."""

from __future__ import annotations

from contextlib import suppress

import docker_engine
import docker_images
from docker_engine import Engine
from registry import PASSWORD, PORT, Registry, missing
from servers import Missing

IMAGE = f"127.0.0.1:{PORT}/team/debian:1"
EXECUTOR = f'executor docker {{ image = "{IMAGE}", user = "0:0" }}'
"""The project's folder is root's here, as all else is."""


class Images:
    """What the tests have: an engine in namespaces of its own, and Debian's registry there."""

    def __init__(self) -> None:
        if why := docker_engine.missing() or missing():
            raise Missing(why)
        self.engine = Engine()
        docker_images.import_images(self.engine)
        self.registry = Registry(self.engine)
        self.registry.log_in(PASSWORD)
        self.engine.docker("tag", docker_images.DEBIAN, IMAGE)
        self.engine.docker("push", IMAGE)
        self.removed = 0
        """How often the image was there, and is not any more."""
        self.remove(docker_images.DEBIAN)
        self.env = {name: self.engine.env[name] for name in ("DOCKER_HOST", "DOCKER_CONFIG")}

    def remove(self, *more: str) -> None:
        """With its layers, where no container is made of it."""
        docker = self.engine.docker
        if docker("images", "--quiet", IMAGE) and not docker("ps", "--all", "--quiet"):
            with suppress(AssertionError):  # a container was made of it just now
                docker("rmi", IMAGE, *more)
                self.removed += 1

    def stop(self) -> None:
        self.registry.remove()
        self.engine.stop()
