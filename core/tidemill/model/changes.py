"""How the parts that a key is made of differ from earlier ones. See
`tidemill.model.fingerprint`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Changes:
    """Labels of parts, in order."""

    changed: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> Changes:
    """What became of the parts, which are digests by label."""
    both = before.keys() & after.keys()
    return Changes(
        tuple(sorted(label for label in both if before[label] != after[label])),
        tuple(sorted(after.keys() - both)),
        tuple(sorted(before.keys() - both)),
    )
