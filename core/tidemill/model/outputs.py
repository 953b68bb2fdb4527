"""How outputs are kept in the database, and what they look like to other steps.

A value output is its JSON. A file output is an object with one key, `$files`, whose
value lists `{"name", "digest", "size"}`: the content stands in the artifact store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from tidelang import definition, values
from tidemill.model.messages import FileInput
from tidemill.spi import INPUTS

FILES = "$files"


def is_files(stored: Any) -> bool:
    return isinstance(stored, Mapping) and FILES in stored


def digests(outputs: Mapping[str, Any] | None) -> Iterator[str]:
    """Of all files of a task's outputs."""
    for stored in (outputs or {}).values():
        if is_files(stored):
            yield from (file["digest"] for file in stored[FILES])


def input_path(key: str, output: str, name: str) -> str:
    """Where a file of `key`'s output goes below the folder of inputs."""
    return str(PurePosixPath(_component(key), output, PurePosixPath(name).name))


def to_value(key: str, output: definition.Output, stored: Any) -> values.Value:
    """A stored output as other steps see it: files are paths in the folder of inputs."""
    if not is_files(stored):
        return values.from_json(stored, output.type)
    paths: list[values.Value] = [
        f"{INPUTS}/{input_path(key, output.name, file['name'])}" for file in stored[FILES]
    ]
    return paths if output.type.name == "list" else paths[0]


def file_inputs(key: str, name: str, stored: Any) -> list[FileInput]:
    """The files that must be there for a step that uses this output."""
    if not is_files(stored):
        return []
    return [
        FileInput(input_path(key, name, file["name"]), file["digest"]) for file in stored[FILES]
    ]


def _component(key: str) -> str:
    """A task's key as one safe component of a path."""
    safe = "".join(c if c.isalnum() or c in "._-,[]=+@" else "_" for c in key)
    return safe if safe.strip(".") else f"_{safe}"
