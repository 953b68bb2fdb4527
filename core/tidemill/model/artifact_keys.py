"""The keys of an artifact store: what Tidemill keeps where, and what its collectors say.

    artifacts/ab/cdef…        a file's content, by its SHA-256
    results/ab/cdef….json     what a cached step put out, by its key
    young/ab/cdef…            empty: this content was used again lately
    collecting/ab/<name>      a collector is removing content that begins with ab

`docs/adr/0020-put-against-collect.md` says what the last two are for.
"""

from __future__ import annotations

import re

ARTIFACTS, RESULTS, YOUNG, COLLECTING = "artifacts/", "results/", "young/", "collecting/"

FRESH = 3600.0
"""Seconds for which content that was stored or used is left alone by whoever uses it again.
No collector may remove what is younger than `LEAST_AGE`."""

LEAST_AGE = 4 * FRESH

SILENCE = 60.0
"""Seconds after which a collector that does not renew its word counts as dead. One that
lives renews it four times as often, and removes nothing once half of them have passed."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def artifact(digest: str) -> str:
    return f"{ARTIFACTS}{digest[:2]}/{digest[2:]}"


def young(digest: str) -> str:
    return f"{YOUNG}{digest[:2]}/{digest[2:]}"


def result(key: str) -> str:
    return f"{RESULTS}{key[:2]}/{key[2:]}.json"


def collecting(digest: str) -> str:
    """The prefix of what all collectors of such content say."""
    return f"{COLLECTING}{digest[:2]}/"


def digest_of(key: str) -> str | None:
    """Of an artifact's key, or of what says that it is young; None if it is neither."""
    _, _, rest = key.partition("/")
    digest = rest.replace("/", "")
    return digest if is_digest(digest) and rest == f"{digest[:2]}/{digest[2:]}" else None
