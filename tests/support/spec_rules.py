"""The rules of the language: the ids in `docs/reference/language.md`."""

from __future__ import annotations

import re

_RULE = re.compile(r"^(?:- )?`\[([a-z][a-z0-9-]*(?:\.[a-z0-9-]+)+)\]` ", re.MULTILINE)
_FENCED = re.compile(r"^(`{3,}).*?^\1$", re.MULTILINE | re.DOTALL)


def rules_in(reference: str) -> list[str]:
    """The id of every rule, in order; one that stands twice comes twice."""
    return _RULE.findall(_FENCED.sub("", reference))


def ids_of_rules(reference: str) -> frozenset[str]:
    return frozenset(rules_in(reference))
