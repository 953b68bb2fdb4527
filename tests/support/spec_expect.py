"""Compares what a test of the language expects with what happened.

Each function gives the differences as lines for people; none where all is as expected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from spec_documents import Happening


def differing_diagnostics(expected: Sequence[str], told: Sequence[str]) -> list[str]:
    """All that is told must be expected and the other way round, in order; what belongs to
    a mistake (`  also …`, `  fix …`) only where it is expected."""
    wanted, found = _grouped(expected), _grouped(told)
    if [line for line, _ in wanted] != [line for line, _ in found]:
        return ["expected:", *expected, "told:", *told]
    return [
        f"{line}: missing{also} among {sorted(have)}"
        for (line, wants), (_, have) in zip(wanted, found, strict=True)
        for also in wants
        if also not in have
    ]


def _grouped(lines: Sequence[str]) -> list[tuple[str, list[str]]]:
    groups: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith("  ") and groups:
            groups[-1][1].append(line)
        else:
            groups.append((line, []))
    return groups


def differing_json(expected: Any, found: Any, path: str = "definition") -> Iterator[str]:
    """Members of objects that are expected must be there, or, if `null`, must not; lists
    are as long as expected; all else is equal."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name, value in expected.items():
            yield from _differing_member(value, found, name, f"{path}.{name}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for at, (left, right) in enumerate(zip(expected, found, strict=True)):
            yield from differing_json(left, right, f"{path}[{at}]")
    elif expected != found or isinstance(expected, bool) is not isinstance(found, bool):
        yield f"{path}: expected {expected!r}, found {found!r}"


def _differing_member(value: Any, found: dict[str, Any], name: str, path: str) -> Iterator[str]:
    if value is None:
        if name in found:
            yield f"{path}: expected nothing, found {found[name]!r}"
    elif name not in found:
        yield f"{path}: is not there; there are {', '.join(found)}"
    else:
        yield from differing_json(value, found[name], path)


def missing_happenings(expected: Sequence[Happening], happened: Sequence[Happening]) -> list[str]:
    """What is expected of a task and did not happen, or not in its order."""
    left: dict[str, list[Happening]] = {}
    for each in happened:
        left.setdefault(each.who, []).append(each)
    missing = [each for each in expected if not _found(each, left.get(each.who, []))]
    return missing and ["missing:", *map(str, missing), "happened:", *map(str, happened)]


def _found(expected: Happening, left: list[Happening]) -> bool:
    """Whether it is among what is left, which it and all before it is then taken from."""
    for at, each in enumerate(left):
        if each.what == expected.what and _says(expected, each):
            del left[: at + 1]
            return True
    return False


def _says(expected: Happening, happened: Happening) -> bool:
    """A line of output is the same; why something is so has the words expected."""
    if expected.what == "|":
        return expected.words.rstrip() == happened.words.rstrip()
    return expected.words in happened.words
