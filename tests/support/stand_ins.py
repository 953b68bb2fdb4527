"""Images in the place of those that `docs/deploy` takes from a registry, made of what is
installed here: Debian's Python and PostgreSQL with what they depend on, and the nats-server
of the tests. They take the commands and variables that `docs/deploy` gives to the real ones.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from docker_engine import Engine

from fleet import nats_program

BASE = ("base-files", "bash", "coreutils", "dash", "diffutils", "findutils", "grep", "gzip",
        "hostname", "libc-bin", "login", "passwd", "sed", "tar", "util-linux")  # fmt: skip
PYTHON = ("python3", "python3-pip", "tzdata")

_LEFT_OUT = re.compile(r"libllvm|libz3|build-essential|python3-dev|perl-openssl|ssl-cert|^systemd")
"""What they depend on, and do without here."""

_NOT_COPIED = re.compile(r"^/usr/(share/(doc|man|info|locale|lintian|bug)|include)/|/__pycache__/")

_ENTRYPOINT = """#!/bin/bash -e
# What the real image does at its first start.
export PATH=/usr/lib/postgresql/{version}/bin:$PATH PGDATA=/var/lib/postgresql/data
if [ "$(id -u)" = 0 ]; then
  install -d -o postgres -m 700 "$PGDATA"
  install -d -o postgres /run/postgresql
  exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --encoding=UTF8 --auth=scram-sha-256 \\
    --username="$POSTGRES_USER" --pwfile=<(echo "$POSTGRES_PASSWORD")
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
  postgres --single -j postgres <<< "CREATE DATABASE \\"$POSTGRES_DB\\""
fi
postgres -c listen_addresses='*' &
trap "kill -INT $!" TERM
wait $! || wait $!
"""


def import_all(engine: Engine, source: Path) -> None:
    """Gives the engine the images that the compose file and the Dockerfile name."""
    tree = engine.folder / "python"
    _debian(tree, *BASE, *PYTHON)
    for marker in tree.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        marker.unlink()
    _wheels(tree, source)
    import_folder(engine, tree, "python:3.13-slim")

    tree, version = engine.folder / "postgres", _postgres_version()
    _debian(tree, *BASE, f"postgresql-{version}")
    entrypoint = tree / "entrypoint"
    entrypoint.write_text(_ENTRYPOINT.replace("{version}", version))
    entrypoint.chmod(0o755)
    for program in ("pg_isready", "psql"):
        (tree / "usr/local/bin" / program).symlink_to(
            f"/usr/lib/postgresql/{version}/bin/{program}"
        )
    import_folder(engine, tree, "postgres:17", 'ENTRYPOINT ["/entrypoint"]')

    tree = engine.folder / "nats"
    tree.mkdir()
    shutil.copy(nats_program(), tree / "nats-server")
    import_folder(engine, tree, "nats:2", 'ENTRYPOINT ["/nats-server"]')


def import_tree(engine: Engine, name: str, *packages: str) -> None:
    """An image of these packages."""
    tree = engine.folder / "tree"
    _debian(tree, *packages)
    import_folder(engine, tree, name)


def _debian(tree: Path, *packages: str) -> None:
    """A root file system with these packages and what they depend on."""
    tree.mkdir()
    paths: dict[str, None] = {}
    listed = subprocess.run(
        ["dpkg-query", "--listfiles", *_closure(packages)],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for line in listed.splitlines():
        if line.startswith("/") and not _NOT_COPIED.search(line):
            folder, _, name = line.rpartition("/")
            paths[f"{os.path.realpath(folder)}/{name}".lstrip("/")] = None
    for name in ("bin", "lib", "lib64", "sbin"):  # one with those in /usr
        paths.pop(name, None)
        (tree / name).symlink_to(f"usr/{name}")
    there = "\n".join(path for path in paths if path and os.path.lexists(f"/{path}"))
    pack = ["tar", "-C", "/", "-c", "--no-recursion", "-T", "-"]
    with subprocess.Popen(pack, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as packing:
        unpacking = subprocess.Popen(["tar", "-x", "-C", tree], stdin=packing.stdout)
        assert packing.stdin is not None
        packing.stdin.write(there.encode())
        packing.stdin.close()
        assert unpacking.wait() == 0
    (tree / "etc/passwd").write_text(
        "root:x:0:0::/root:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\n"
        "nobody:x:65534:65534::/:/bin/false\n"
    )
    (tree / "etc/group").write_text("root:x:0:\npostgres:x:999:\nnogroup:x:65534:\n")
    for name in ("tmp", "var/tmp"):
        (tree / name).mkdir(parents=True, exist_ok=True)
        (tree / name).chmod(0o1777)
    for name in ("root", "home", "proc", "sys", "dev", "usr/local/bin"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    subprocess.run(["/sbin/ldconfig", "-r", tree], check=True)


def _closure(packages: tuple[str, ...]) -> list[str]:
    """With what they depend on, as far as it is installed."""
    shown = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package}\t${Pre-Depends}, ${Depends}\n"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    needs = dict(line.split("\t", 1) for line in shown.splitlines())
    found, left = dict.fromkeys(packages), list(packages)
    while left:
        for needed in re.split(r"[,|]", needs.get(left.pop(), "")):
            name = needed.strip().partition(" ")[0].partition(":")[0]
            if name in needs and name not in found and not _LEFT_OUT.search(name):
                found[name] = None
                left.append(name)
    return [name for name in found if name in needs]


def _wheels(tree: Path, source: Path) -> None:
    """What the build installs, in the place of a package index: it needs no network then."""
    (tree / "wheels").mkdir()
    download = ["/usr/bin/python3", "-m", "pip", "download", "--quiet", "-d", tree / "wheels"]
    locked = ["--require-hashes", "-r", source / "requirements/run.lock"]
    for wanted in (locked, ["setuptools", "wheel"]):  # one of them is built from its source
        subprocess.run([*download, *wanted], check=True, cwd=tree, capture_output=True)
    (tree / "etc/pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")


def _postgres_version() -> str:
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parts[4] for path in versions), key=int)


def import_folder(engine: Engine, tree: Path, name: str, change: str = "CMD []") -> None:
    """An image of a folder, which is removed."""
    with subprocess.Popen(["tar", "-C", tree, "-c", "."], stdout=subprocess.PIPE) as packing:
        subprocess.run(
            ["docker", "import", "--change", change, "-", name],
            stdin=packing.stdout, env=engine.env, check=True, capture_output=True,
        )  # fmt: skip
    shutil.rmtree(tree)
