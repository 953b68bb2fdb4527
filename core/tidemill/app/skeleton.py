"""A distribution with a plugin, written from the template in `skeletons/plugin`."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidemill.errors import TidemillError, UsageError
from tidemill.plugins import load
from tidemill.spi import VERSION

TEMPLATE = Path(__file__).parent / "skeletons" / "plugin"
_ENDING = ".tmpl"
_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A distribution that is not written yet: `files` by their paths in `folder`."""

    kind: str
    folder: Path
    files: Mapping[str, str]

    def write(self) -> None:
        """Raises: TidemillError: a file cannot be written."""
        try:
            for name, text in self.files.items():
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("x", encoding="utf-8") as file:
                    file.write(text)
        except OSError as error:
            raise TidemillError(f"{error.filename}: {error.strerror}") from None


def plugin(name: str, into: Path) -> Skeleton:
    """A distribution `tidemill-NAME` in a new folder of `into`, with an executor and a
    notifier of the kind NAME.

    Raises:
        UsageError: it cannot have this name, or the folder is there and has something in it.
    """
    kind = _kind(name)
    dist = f"tidemill-{kind.replace('_', '-')}"
    folder = into / dist
    if folder.is_dir() and not any(folder.iterdir()):
        pass
    elif folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} is there already", "nothing was written: choose another name")
    return Skeleton(kind, folder, dict(_files(kind, dist)))


def _kind(name: str) -> str:
    given = name.removeprefix("tidemill-").removeprefix("tidemill_")
    if not _NAME.fullmatch(given) or len(given) > _LONGEST:
        raise UsageError(
            f"{name!r} is no name for a plugin",
            f"at most {_LONGEST} small letters and digits, with single - or _ in between: "
            "my-runner",
        )
    kind = given.replace("-", "_")
    if keyword.iskeyword(kind) or keyword.issoftkeyword(kind):
        raise UsageError(f"{name!r} is no name for a plugin", "it is a word of Python's own")
    for sort in (plugins := load()).executors, plugins.notifiers:
        if sort.get(kind) is not None:
            raise UsageError(
                f"{kind} is taken: {sort.origin(kind)} offers it", "`tidemill plugins` lists all"
            )
    return kind


def _files(kind: str, dist: str) -> Iterator[tuple[str, str]]:
    words = {
        "kind": kind,
        "Kind": "".join(part.capitalize() for part in kind.split("_")),
        "dist": dist,
        "package": f"tidemill_{kind}",
        "spi": str(VERSION),
    }
    for path in sorted(TEMPLATE.rglob(f"*{_ENDING}")):
        name = path.relative_to(TEMPLATE).as_posix().removesuffix(_ENDING)
        name = name.replace("PACKAGE", words["package"]).replace("gitignore", ".gitignore")
        text = path.read_text("utf-8")
        yield name, re.sub(r"\{\{(\w+)\}\}", lambda found: words[found[1]], text)
