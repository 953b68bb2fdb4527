"""Compiling a file with the plugins that are installed here.

Plugins are looked for only when a file has something to ask of them: finding them costs
more than checking a small file.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tidelang.compiler import Compilation, compile_source
from tidelang.reading import FolderLoader, read_source
from tidemill.functions import function_of, know
from tidemill.project import find_project

if TYPE_CHECKING:
    from pydantic import BaseModel

    from tidelang.functions import Function
    from tidemill.plugins import Plugins


class InstalledPlugins:
    """What the language asks of plugins, answered by those that are installed."""

    @property
    def asked(self) -> bool:
        """Whether anything was asked of plugins so far."""
        return "loaded" in self.__dict__

    @cached_property
    def loaded(self) -> Plugins:
        from tidemill.plugins import load

        plugins = load()
        know(plugins)  # an expression that is worked out here finds the same
        return plugins

    def executor_kinds(self) -> tuple[str, ...]:
        return self.loaded.executors.kinds()

    def executor_settings(self, kind: str) -> type[BaseModel] | None:
        return self.loaded.executors.model(kind)

    def executor_origin(self, kind: str) -> str:
        return self.loaded.executors.origin(kind)

    def problem(self, kind: str) -> str | None:
        return self.loaded.executors.problem(kind)

    def notifier_kinds(self) -> tuple[str, ...]:
        return self.loaded.notifiers.kinds()

    def notifier_settings(self, kind: str) -> type[BaseModel] | None:
        return self.loaded.notifiers.model(kind)

    def notifier_origin(self, kind: str) -> str:
        return self.loaded.notifiers.origin(kind)

    def notifier_problem(self, kind: str) -> str | None:
        return self.loaded.notifiers.problem(kind)

    def function_names(self) -> tuple[str, ...]:
        return self.loaded.functions.kinds()

    def function(self, name: str) -> Function | None:
        return function_of(self.loaded, name)

    def function_problem(self, name: str) -> str | None:
        return self.loaded.functions.problem(name)


def compile_file(
    file: Path, plugins: InstalledPlugins | None = None, loader: FolderLoader | None = None
) -> Compilation:
    """Reads and compiles one `.tide` file, with what it imports from its project.

    Raises:
        SourceError: it could not be read.
    """
    loader = loader or loader_for(file)
    return compile_source(read_source(file), plugins or InstalledPlugins(), loader)


def loader_for(file: Path) -> FolderLoader:
    """Finds what a file imports, in its project."""
    return FolderLoader(find_project(file).root)
