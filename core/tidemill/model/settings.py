"""Settings of plugins as a file writes them, worked out: values that may be stored and sent
on, and apart from them the secrets, with the places where they go."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tidelang import values
from tidelang.definition import Expr

Path = tuple[str | int, ...]

SecretSettings = tuple[tuple[Path, values.Secret], ...]


def work_out(
    settings: Iterable[tuple[str, Expr]], value: Callable[[str, Expr], values.Value]
) -> tuple[dict[str, Any], SecretSettings]:
    """The settings as JSON, and the secrets with the places in it where they go."""
    secrets: list[tuple[Path, values.Secret]] = []
    found = {name: _without(value(name, expr), (name,), secrets) for name, expr in settings}
    return found, tuple(secrets)


def _without(value: values.Value, path: Path, secrets: list[tuple[Path, values.Secret]]) -> Any:
    if isinstance(value, values.Secret):
        secrets.append((path, value))
        return None
    if isinstance(value, list):
        return [_without(item, (*path, at), secrets) for at, item in enumerate(value)]
    if isinstance(value, dict):
        return {key: _without(item, (*path, key), secrets) for key, item in value.items()}
    return values.to_setting(value)


def with_secrets(
    settings: Mapping[str, Any], secrets: SecretSettings, known: Mapping[str, str]
) -> dict[str, Any]:
    """The settings with the values of secrets in their places."""
    filled = copy.deepcopy(dict(settings)) if secrets else dict(settings)
    for path, value in secrets:
        place: Any = filled
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value.text(known)
    return filled
