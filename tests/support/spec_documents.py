"""Reads the language's tests: Markdown whose `##` sections are one test each.

The format is described in `tests/spec/README.md`. Nothing here knows how Tide is
implemented: what files mean is asked of `spec_world`, and compared by `spec_expect`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MAIN = "main.tide"

_FENCE = re.compile(r"(?P<ticks>`{3,})(?P<info>.*)")
_RULE = re.compile(r"`([^`]*)`")
_RULE_ID = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)+")
_DIAGNOSTIC = re.compile(r"[TW]\d{3} (?:[^\s:]+:)?\d+:\d+(?: \S.*)?")
_BELONGING = re.compile(r"  also (?:[^\s:]+:)?\d+:\d+(?: \S.*)?|  fix \S.*")
_SETTING = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)", re.DOTALL)
_STATES = (
    "blocked|ready|queued|running|waiting|"
    "succeeded|failed|timed_out|cancelled|lost|skipped|upstream_failed|delegated"
)
_STEP = r"[^\s\[|/]+(?:\[.*?\](?:#\d+)?)*"
_TASK = rf"(?P<who>{_STEP}(?:/{_STEP})*)"
_HAPPENINGS = (
    re.compile(r"(?P<who>)(?P<what>refused)(?:: (?P<words>\S.*))?"),
    re.compile(rf"{_TASK} (?P<what>\|)(?: (?P<words>.*))?"),
    re.compile(rf"{_TASK} (?P<what>{_STATES})(?:: (?P<words>\S.*))?"),
)


class DocumentError(Exception):
    """A section is no test: what is wrong with it, in words."""


@dataclass(frozen=True)
class Fence:
    """A block of code: the words behind its ticks, and what it holds."""

    info: str
    text: str


@dataclass
class Section:
    """What stands under one `##`, as it was found."""

    title: str
    prose: list[str] = field(default_factory=list)
    fences: list[Fence] = field(default_factory=list)


@dataclass(frozen=True)
class Happening:
    """What a task, or the run, did: `what` is a state, or `|` for a line of output.
    `words` are that line, or say why."""

    who: str
    what: str
    words: str = ""

    def __str__(self) -> str:
        words = self.words[:200]
        if self.what == "|":
            return f"{self.who} | {words}"
        said = f"{self.who} {self.what}".strip()
        return f"{said}: {words}" if words else said


@dataclass(frozen=True)
class Run:
    """A run of the main file: its arguments, its environment, and what has to happen."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    happenings: tuple[Happening, ...]


@dataclass
class Case:
    """One test. `diagnostics` is empty where the file must have no mistakes."""

    rules: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)
    diagnostics: tuple[str, ...] = ()
    definition: Any = None
    runs: list[Run] = field(default_factory=list)


def sections(document: str) -> list[Section]:
    """The `##` sections of a document.

    Raises:
        DocumentError: a block is not closed, or stands before the first section.
    """
    found = [Section("")]
    lines = iter(document.splitlines(keepends=True))
    for line in lines:
        if fence := _FENCE.fullmatch(line.rstrip()):
            info = fence["info"].strip()
            found[-1].fences.append(Fence(info, _fenced(lines, fence["ticks"], info)))
        elif line.startswith("## "):
            found.append(Section(line[3:].strip()))
        else:
            found[-1].prose.append(line.rstrip("\n"))
    if found[0].fences:
        raise DocumentError(f"a block `{found[0].fences[0].info}` before the first `##`")
    return found[1:]


def _fenced(lines: Iterator[str], ticks: str, info: str) -> str:
    text = ""
    for line in lines:
        if line.rstrip() == ticks:
            return text
        text += line
    raise DocumentError(f"the block `{info}` is not closed")


def rules_of(section: Section) -> tuple[str, ...]:
    """The ids in the paragraph that starts with `Rules:`.

    Raises:
        DocumentError: there is none, or it holds something else.
    """
    starts = [at for at, line in enumerate(section.prose) if line.startswith("Rules:")]
    if len(starts) != 1:
        raise DocumentError("a section has one line that starts with `Rules:`")
    paragraph = " ".join(_paragraph(section.prose[starts[0] :])).removeprefix("Rules:")
    rules = tuple(_RULE.findall(paragraph))
    if not rules or _RULE.sub("", paragraph).strip(" ,"):
        raise DocumentError("`Rules:` is followed by ids in backticks, and nothing else")
    bad = [rule for rule in rules if not _RULE_ID.fullmatch(rule)]
    if bad:
        raise DocumentError(f"not ids of rules: {', '.join(bad)}")
    return rules


def _paragraph(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if not line.strip():
            return
        yield line


def case_of(section: Section) -> Case:
    """The test that a section describes.

    Raises:
        DocumentError: it describes none; the text says why.
    """
    case = Case(rules_of(section))
    for fence in section.fences:
        _READERS.get(fence.info.partition(" ")[0], _unknown)(case, fence)
    if MAIN not in case.files:
        raise DocumentError(f"there is no `tide` block, so no {MAIN}")
    if (case.definition is not None or case.runs) and any(
        line.startswith("T") for line in case.diagnostics
    ):
        raise DocumentError("a file with mistakes has no definition and no run")
    return case


# --- one kind of fence each ------------------------------------------------------------


def _unknown(case: Case, fence: Fence) -> None:
    del case
    raise DocumentError(f"a block of kind `{fence.info}` means nothing here")


def _file(case: Case, fence: Fence) -> None:
    kind, _, name = fence.info.partition(" ")
    name = name.strip() or (MAIN if kind == "tide" else "")
    if not name or name.startswith("/") or ".." in name.split("/") or " " in name:
        raise DocumentError(f"`{fence.info}`: a file's name is a path inside the project")
    if name in case.files:
        raise DocumentError(f"two blocks for the file {name}")
    case.files[name] = fence.text


def _json(case: Case, fence: Fence) -> None:
    if fence.info != "json definition" or case.definition is not None:
        raise DocumentError(f"`{fence.info}`: there is one `json definition`")
    try:
        case.definition = json.loads(fence.text)
    except ValueError as error:
        raise DocumentError(f"`json definition` is no JSON: {error}") from None


def _text(case: Case, fence: Fence) -> None:
    _, kind, *words = [*fence.info.split(" ", 2), ""]
    lines = tuple(line.rstrip() for line in fence.text.splitlines() if line.strip())
    if not lines or kind not in ("diagnostics", "run"):
        raise DocumentError(f"`{fence.info}` with {len(lines)} lines expects nothing")
    if kind == "run":
        case.runs.append(_run(words[0], lines))
        return
    if words[0] or case.diagnostics:
        raise DocumentError(f"`{fence.info}`: there is one `text diagnostics`")
    for line in lines:
        if not (_DIAGNOSTIC.fullmatch(line) or _BELONGING.fullmatch(line)):
            raise DocumentError(f"not `CODE LINE:COLUMN text`: {line}")
    case.diagnostics = lines


def _run(words: str, lines: tuple[str, ...]) -> Run:
    arguments = shlex.split(words)
    environment = {}
    while arguments and (setting := _SETTING.fullmatch(arguments[0])):
        environment[setting[1]] = setting[2]
        del arguments[0]
    return Run(tuple(arguments), environment, tuple(map(_happening, lines)))


def _happening(line: str) -> Happening:
    for form in _HAPPENINGS:
        if found := form.fullmatch(line):
            return Happening(found["who"], found["what"], found["words"] or "")
    raise DocumentError(f"neither `TASK | output` nor `TASK state`: {line}")


_READERS = {"tide": _file, "file": _file, "json": _json, "text": _text}
