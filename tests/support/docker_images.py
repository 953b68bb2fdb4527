"""Small images for steps, made of what is installed here: there may be no registry."""

from __future__ import annotations

import shutil
import subprocess

import stand_ins
from docker_engine import Engine

DEBIAN = "debian:stable"
"""dash and GNU programs."""
BUSYBOX = "busybox:stable"


def import_images(engine: Engine) -> None:
    stand_ins.import_tree(engine, DEBIAN, *stand_ins.BASE)
    import_busybox(engine)


def import_busybox(engine: Engine) -> None:
    tree = engine.folder / "busybox"
    programs = tree / "bin"
    programs.mkdir(parents=True)
    shutil.copy("/bin/busybox", programs / "busybox")
    listed = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True)
    for name in set(listed.stdout.split()) - {"busybox"}:
        (programs / name).symlink_to("busybox")
    (tree / "etc").mkdir()
    (tree / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    stand_ins.import_folder(engine, tree, BUSYBOX)


def what_is_left(engine: Engine) -> list[str]:
    """Containers, networks of steps and volumes, whoever made them."""
    containers = engine.docker("ps", "--all", "--format", "container {{.Names}} {{.Status}}")
    networks = engine.docker(
        "network", "ls", "--format", "network {{.Name}}", "--filter", "type=custom"
    )
    volumes = engine.docker("volume", "ls", "--format", "volume {{.Name}}")
    return (containers + networks + volumes).splitlines()


def clear(engine: Engine) -> None:
    """Removes all that `what_is_left` finds."""
    if found := engine.docker("ps", "--all", "--quiet").split():
        engine.docker("rm", "--force", "--volumes", *found)
    engine.docker("network", "prune", "--force")
    engine.docker("volume", "prune", "--force")
