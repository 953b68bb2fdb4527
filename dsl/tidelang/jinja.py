"""Templates of messages: Jinja2 documents in a sandbox, with Tide's functions as filters.

Imported only where a file has such a template. Which names a template may use is told by
`tidelang.checking.documents`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import StrictUndefined, nodes
from jinja2.exceptions import TemplateError, TemplateSyntaxError
from jinja2.lexer import Lexer
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from tidelang.bounds import EvaluationError
from tidelang.functions import FUNCTIONS


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """What Jinja does not understand: `at` is an offset in the template."""

    at: int
    message: str
    help: str = ""


class _Placed(Lexer):
    """Tokens whose line number is their offset, so that every node and error has one."""

    def tokeniter(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> Iterator[tuple[int, str, str]]:
        at = 0
        try:
            for _, token, value in super().tokeniter(source, name, filename, state):
                found = source.find(value, at)  # white space may have been left out
                start = found if found >= 0 else at
                at = start + len(value)
                yield start, token, value
        except TemplateSyntaxError as error:
            error.lineno = at + len(source[at:]) - len(source[at:].lstrip())
            raise


class Environment(ImmutableSandboxedEnvironment):
    """Jinja's own filters and tests, and the functions of Tide, which come first."""

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
        functions = {name: each.run for name, each in FUNCTIONS.items() if each.run is not None}
        self.globals = {**functions, "namespace": Namespace}
        self.filters.update(functions)

    @property
    def lexer(self) -> Lexer:
        return _lexer(self)


@cache
def _lexer(environment: Environment) -> Lexer:
    return _Placed(environment)


@cache
def environment() -> Environment:
    """The one that templates are checked with, and rendered with."""
    return Environment()


def parse(source: str) -> nodes.Template | SyntaxProblem:
    """A template as a tree. The `lineno` of each node is the offset where it starts."""
    try:
        return environment().parse(source)
    except TemplateSyntaxError as error:
        return _problem(error, source)
    except RecursionError:
        return SyntaxProblem(0, "the template is nested too deeply")


# --- filling in ----------------------------------------------------------------------------

MESSAGE_LIMIT = 100_000
"""Characters of a message."""


class RenderError(Exception):
    """A template cannot be filled in; the text says why, for the pipeline's author."""


def render(source: str, names: Mapping[str, Any]) -> str:
    """A template with these names filled in. How long that takes, and how much memory, is
    up to the template: see `tidelang.rendering`.

    Raises:
        RenderError: it cannot be filled in, or becomes too much.
    """
    try:
        template = environment().from_string(source)
        return "".join(_bounded(template.generate(**names)))
    except TemplateError as error:
        raise RenderError(str(error.message)) from None
    except RecursionError:
        raise RenderError("the template is nested too deeply") from None
    except MemoryError:
        raise RenderError("it needs too much memory") from None
    except (ArithmeticError, EvaluationError, LookupError, TypeError, ValueError) as error:
        raise RenderError(str(error) or type(error).__name__) from None


def _bounded(pieces: Iterable[str]) -> Iterator[str]:
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > MESSAGE_LIMIT:
            raise RenderError(f"the message is longer than {MESSAGE_LIMIT:,} characters")
        yield piece


# --- Jinja's messages in plain words -------------------------------------------------------

_TAGS = "for if elif else set with filter raw and their ends"
_ENDS = {"end of print statement": "}}", "end of statement block": "%}"}
_CHARACTER = re.compile(r"unexpected char (.+) at (\d+)", re.DOTALL)
_TOKEN = re.compile(r"expected token '(.+)', got '(.+)'", re.DOTALL)
_TAG = re.compile(r"Encountered unknown tag '(\w+)'")
_OPEN = re.compile(r"innermost block that needs to be closed is '(\w+)'")


def _problem(error: TemplateSyntaxError, source: str) -> SyntaxProblem:
    text = str(error.message)
    at = min(error.lineno, max(len(source) - 1, 0))
    if match := _CHARACTER.match(text):
        return SyntaxProblem(int(match[2]), f"{match[1]} means nothing in a template")
    if match := _TOKEN.match(text):
        wanted, got = (_ENDS.get(word, word) for word in match.groups())
        if got == "end of template":
            return SyntaxProblem(at, f"the template ends where `{wanted}` is expected")
        return SyntaxProblem(at, f"`{wanted}` is expected here, not `{got}`")
    if match := _OPEN.search(text):
        return SyntaxProblem(at, f"`{{% {match[1]} %}}` is not closed", _closing(match[1]))
    if match := _TAG.match(text):
        return SyntaxProblem(at, f"there is no tag `{match[1]}`", f"the tags are {_TAGS}")
    if "Missing end of comment" in text:
        return SyntaxProblem(at, "a comment is not closed", "write `#}` at its end")
    if "unexpected end of template" in text.lower():
        return SyntaxProblem(at, "the template ends too early")
    plain = text[:1].lower() + text[1:].rstrip(".")
    return SyntaxProblem(at, plain.replace("'", "`"))


def _closing(tag: str) -> str:
    return f"write `{{% end{tag} %}}` where it ends"
