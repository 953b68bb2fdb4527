"""Reading what a script wrote to `$TIDE_OUTPUT`.

Three forms, which may be mixed; what comes later wins:

    digest=5f3a…                    name=value; a list or a map is JSON
    notes<<END                      several lines, up to the end word
    …
    END
    {"digest": "5f3a…", "count": 3} a JSON object on a line, or as the whole file

Outputs of files (`output x: file = "glob"`) are collected from the workdir elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tidelang.definition import Output
from tidelang.params import nearest
from tidelang.values import Value, conform, describe, parse_text, shown

SIZE_LIMIT = 1 << 20
"""Bytes that a step's outputs may have; larger things are files."""

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.ASCII | re.DOTALL)
_SEVERAL_LINES = re.compile(r"([A-Za-z_]\w*)<<([^\s=]+)\s*", re.ASCII)


class OutputError(ValueError):
    """The outputs are not as declared; `problems` has a sentence for each mistake."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class _Given:
    name: str
    value: Any
    """Text, or with `json` a value read from JSON."""
    json: bool = False


def parse(data: bytes, outputs: Sequence[Output]) -> dict[str, Value]:
    """The declared values (not the files), in the order of their declaration.

    OutputError tells every undeclared, missing and ill-typed one at once."""
    problems: list[str] = []
    given: dict[str, _Given] = {}
    for entry in _entries(_decoded(data), problems):
        given.pop(entry.name, None)
        given[entry.name] = entry
    declared = {output.name: output for output in outputs if output.glob is None}
    problems.extend(_undeclared(name, outputs) for name in given if name not in declared)
    values: dict[str, Value] = {}
    for name, output in declared.items():
        try:
            values[name] = _value(output, given.get(name))
        except ValueError as error:
            problems.append(f"output {name}: {error}")
    if problems:
        raise OutputError(tuple(problems))
    return values


def _value(output: Output, given: _Given | None) -> Value:
    if given is None:
        raise ValueError(
            f"the script did not write it; it must write {output.name}=… "
            f'({describe(output.type)}) to "$TIDE_OUTPUT"'
        )
    if given.json:
        return conform(given.value, output.type)
    return parse_text(given.value, output.type)


def _undeclared(name: str, outputs: Sequence[Output]) -> str:
    if any(output.name == name for output in outputs):
        return (
            f"output {name} is a file, found by its pattern in the workdir; "
            'the script must not write it to "$TIDE_OUTPUT"'
        )
    near = nearest(name, [output.name for output in outputs if output.glob is None])
    return f"the script wrote {shown(name)}, which is not declared as an output{near}"


def _decoded(data: bytes) -> str:
    if len(data) > SIZE_LIMIT:
        problem = (
            f"the outputs have {len(data):,} bytes, more than the {SIZE_LIMIT:,} allowed; "
            "write large results to a file and declare an output of type file"
        )
        raise OutputError((problem,))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise OutputError((f"line {line} of the outputs is not UTF-8 text",)) from None


# --- the three forms ---------------------------------------------------------------


def _entries(text: str, problems: list[str]) -> Iterator[_Given]:
    whole = _object(text) if text.lstrip().startswith("{") else None
    if whole is not None:
        yield from whole
        return
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if several := _SEVERAL_LINES.fullmatch(line):
            end = _end(lines, at, several[2])
            if end is None:
                problems.append(f"line {at} of the outputs: {several[2]} never ends {several[1]}")
                return
            yield _Given(several[1], "\n".join(lines[at:end]))
            at = end + 1
        elif line.strip():
            yield from _line(line, at, problems)


def _end(lines: Sequence[str], start: int, word: str) -> int | None:
    return next((at for at in range(start, len(lines)) if lines[at] == word), None)


def _line(line: str, number: int, problems: list[str]) -> Iterator[_Given]:
    if match := _ASSIGNMENT.fullmatch(line):
        yield _Given(match[1], match[2])
        return
    entries = _object(line) if line.startswith("{") else None
    if entries is None:
        problems.append(
            f"line {number} of the outputs: expected name=value or a JSON object, not {shown(line)}"
        )
    else:
        yield from entries


def _object(text: str) -> list[_Given] | None:
    """The members of a JSON object, or None for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    return [_Given(name, member, json=True) for name, member in value.items()]
