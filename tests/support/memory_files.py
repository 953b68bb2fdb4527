"""Files that exist in memory alone, for compiling what imports."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from tidelang.compiler import Compilation, Plugins, compile_source
from tidelang.reading import ImportFailure
from tidelang.source import Source

MAIN = "main.tide"


class MemoryFiles:
    """A loader (see `tidelang.reading.Loader`) over a mapping of names to texts."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._sources = {name: Source(name, text) for name, text in files.items()}

    def __getitem__(self, name: str) -> Source:
        return self._sources[name]

    def key(self, source: Source) -> str:
        return source.name

    def load(self, importer: Source, path: str) -> Source:
        name = posixpath.normpath(posixpath.join(posixpath.dirname(importer.name), path))
        if name not in self._sources:
            raise ImportFailure(f"there is no file `{path}`")
        return self._sources[name]


def compiled(files: Mapping[str, str], plugins: Plugins, main: str = MAIN) -> Compilation:
    """Compiles one file of several."""
    loader = MemoryFiles(files)
    return compile_source(loader[main], plugins, loader)
