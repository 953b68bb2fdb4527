"""What a cached step is made of, as parts with a digest each, and the key made of them all.

A part has a label, `KIND NAME` or `KIND`: people are told by it what has changed. Values
are never kept, only their digests. What differs from run to run by nature (the run's
number, the attempt, the fence) is no part.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tidelang.values import Secret
from tidemill.model.messages import FACTS, Order

FORMAT = 1
"""Of the key: raised when it is made of something else, so that no old result counts."""

LISTED = 500
"""So many files are parts of their own in what is reported; more are summed up."""

_SHORT = 16


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`parts` are shortened digests by label."""

    key: str
    parts: Mapping[str, str]


def fingerprint(order: Order, files: Iterable[tuple[str, str]]) -> Fingerprint:
    """Of an order with a cache rule, and of its input files: (label, digest) each."""
    own = [(label, digest_of(value)) for label, value in _parts_of(order)]
    listed = sorted(files)
    key = digest_of([FORMAT, sorted(own), listed])
    shown = own + (listed if len(listed) <= LISTED else _summed_up(listed))
    return Fingerprint(key, {label: digest[:_SHORT] for label, digest in shown})


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _parts_of(order: Order) -> Iterable[tuple[str, Any]]:
    yield "step", [order.env.get("TIDE_PIPELINE", ""), order.key]
    if order.script is not None:
        yield "script", order.script["text"]
        yield "interpreter", [list(order.script["interpreter"]), order.script["in_file"]]
    else:
        yield "arguments", order.argv
    for name, value in order.env.items():
        if name not in FACTS:
            yield f"env {name}", value
    for name, secret in order.secret_env.items():
        yield f"secret {name}", _names(secret)
    for path, secret in order.secret_settings:
        yield f"secret {'.'.join(map(str, path))}", _names(secret)
    yield "workdir", order.workdir
    yield "executor", order.executor
    for name, value in order.settings.items():
        yield f"setting {name}", value
    for output in order.values:
        yield f"declared {output.name}", [repr(output.type), order.globs.get(output.name)]
    rule = order.cache
    if rule is not None:
        yield "key", rule.key
        yield from ((f"output {name}", digest) for name, digest in rule.used.items())


def _names(secret: Secret) -> list[Any]:
    """What stands in the file of a secret: names, never values."""
    return [part if isinstance(part, str) else [part.name] for part in secret.parts]


def _summed_up(files: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A part for each top-level folder in the place of its files."""
    folders: dict[str, list[tuple[str, str]]] = {}
    for label, digest in files:
        path = label.partition(" ")[2]
        folder, slash, _ = path.partition("/")
        folders.setdefault(f"files {folder}/" if slash else label, []).append((label, digest))
    return [
        (name, digest_of(inside) if name.startswith("files ") else inside[0][1])
        for name, inside in folders.items()
    ]
