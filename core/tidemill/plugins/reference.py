"""The reference of the contract with plugins in `docs/reference/plugins.md`, written from the
docstrings of `tidemill.spi`.

`python -m tidemill.plugins.reference docs/reference/plugins.md` writes what stands behind
the marker anew; what stands before it is written by people. A test holds the two equal.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from tidemill import spi

MARKER: Final = "<!-- From here on generated: python -m tidemill.plugins.reference FILE -->\n"


def renewed(text: str) -> str:
    """The page with its generated part as it has to be now."""
    head, marker, _ = text.partition(MARKER)
    if not marker:
        raise ValueError(f"the page has no line {MARKER!r}")
    return head + marker + "".join(_parts())


def hooks() -> dict[str, Callable[..., Any]]:
    """The hooks by their names, in the order in which they are written."""
    return {name: each for name, each in vars(spi.Hooks).items() if name.startswith("tidemill_")}


def names() -> list[str]:
    """All that a plugin may import, but for the hooks' own class."""
    return sorted(set(spi.__all__) - {"Hooks"}, key=str.lower)


def _parts() -> Iterator[str]:
    yield "\n## Hooks\n"
    for name, hook in hooks().items():
        yield f"\n### {name}\n\n{_signature(name, hook)}\n{_prose(hook.__doc__)}"
    yield "\n## What `tidemill.spi` has\n"
    constants = _constants()
    for name in names():
        yield f"\n### {name}\n\n"
        yield from _thing(name, getattr(spi, name), constants)


def _thing(name: str, thing: Any, constants: dict[str, str]) -> Iterator[str]:
    if name in constants:
        yield _prose(constants[name])
    elif inspect.isclass(thing):
        if dataclasses.is_dataclass(thing):
            yield _fields(name, thing)
        yield _prose(thing.__doc__)
        yield from _methods(thing)
    else:
        yield f"{_signature(name, thing)}\n{_prose(thing.__doc__)}"


def _methods(kind: type) -> Iterator[str]:
    for name, member in vars(kind).items():
        if name.startswith("_") or not (inspect.isfunction(member) or isinstance(member, property)):
            continue
        function = member.fget if isinstance(member, property) else member
        if function is not None and function.__doc__:
            yield f"\n{_signature(name, function)}\n{_prose(function.__doc__)}"


def _signature(name: str, function: Callable[..., Any]) -> str:
    shown = str(inspect.signature(function)).replace("(self, ", "(").replace("(self)", "()")
    word = "async def" if inspect.iscoroutinefunction(function) else "def"
    return f"```python\n{word} {name}{_short(shown)}\n```\n"


def _fields(name: str, kind: type) -> str:
    lines = []
    for field in dataclasses.fields(kind):
        optional = field.default is not dataclasses.MISSING or (
            field.default_factory is not dataclasses.MISSING
        )
        lines.append(f"    {field.name}: {_short(str(field.type))}{' = …' if optional else ''}\n")
    return f"```python\n{name}(\n{''.join(lines)})\n```\n\n"


def _short(annotation: str) -> str:
    """Annotations as they are written: no quotes around them."""
    return annotation.replace("'", "")


def _prose(doc: str | None) -> str:
    """A docstring as Markdown: what it raises as a list."""
    lines, raises = [], False
    for line in inspect.cleandoc(doc or "").splitlines():
        if line == "Raises:":
            raises = True
            lines.append("Raises:\n")
        elif raises and (found := re.fullmatch(r" {4}(\w+): (.*)", line)):
            lines.append(f"- `{found[1]}`: {found[2]}")
        else:
            lines.append(f"  {line.strip()}" if raises and line.strip() else line)
    return "\n".join(lines).strip() + "\n"


def _constants() -> dict[str, str]:
    """What is written below constants."""
    found = {}
    for path in sorted(Path(inspect.getfile(spi)).parent.glob("*.py")):
        body = ast.parse(path.read_text("utf-8")).body
        for node, below in pairwise(body):
            text = below.value if isinstance(below, ast.Expr) else None
            if not isinstance(text, ast.Constant) or not isinstance(text.value, str):
                continue
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found[node.targets[0].id] = text.value
    return found


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text("utf-8")), "utf-8")
