"""The functions that installed plugins add to the language."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from tidelang import finding, foreign
from tidelang.bounds import EvaluationError
from tidelang.functions import Function

if TYPE_CHECKING:
    from tidemill.plugins import Plugins

_loaded: list[Plugins] = []


def know(plugins: Plugins) -> None:
    """Has expressions of this process find the functions of these plugins, which it has
    loaded anyway; otherwise they are loaded when the first function is called."""
    _loaded[:] = [plugins]
    find.cache_clear()


@cache
def find(name: str, distribution: str) -> Function:
    """The function that a definition names.

    Raises:
        EvaluationError: it is not there, and why.
    """
    if not _loaded:
        from tidemill.plugins import load

        _loaded.append(load())
    plugins = _loaded[0]
    found = function_of(plugins, name)
    if found is not None and found.origin.partition(" ")[0] == distribution:
        return found
    text = finding.missing(name, distribution)
    problem = _problem(plugins, name, distribution)
    raise EvaluationError(f"{text}: {problem}" if problem else text)


def _problem(plugins: Plugins, name: str, distribution: str) -> str:
    """What is known of why it is not there."""
    if other := plugins.functions.origin(name):
        return f"that of {other} is another one"
    failures = [info.failure for info in plugins.installed() if info.distribution == distribution]
    failed = "; ".join(str(failure) for failure in failures if failure)
    return plugins.functions.problem(name) or failed


def function_of(plugins: Plugins, name: str) -> Function | None:
    """What plugins know by this name, as the language sees it; None where it cannot be
    used."""
    found = plugins.functions.get(name)
    if found is None:
        return None
    origin = plugins.functions.origin(name)
    return foreign.made(name, found.function, found.description, origin)


finding.provide(find)
