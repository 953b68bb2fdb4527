"""XML in the few forms that a picture needs. What comes from a file passes `escaped`."""

from __future__ import annotations

import re
from html import escape

from tidelang.render.cells import clean

_NEVER_IN_XML = re.compile("[\ufffe\uffff\ud800-\udfff]")


def escaped(text: str) -> str:
    """Text as XML shows it; what may not stand in XML is shown as a terminal would."""
    return escape(_NEVER_IN_XML.sub("\ufffd", clean(text)))


def number(value: float) -> str:
    """With at most one digit behind the point, so that every machine writes the same."""
    return f"{value:.1f}".removesuffix(".0").replace("-0", "0") if value else "0"


def tag(name: str, content: str | None = None, **attributes: str | float) -> str:
    """An element. `class_` stands for `class`, `_` for `-`; `content` is XML already."""
    written = "".join(
        f' {_name(key)}="{value if isinstance(value, str) else number(value)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}/>" if content is None else f"<{name}{written}>{content}</{name}>"


def _name(key: str) -> str:
    """SVG has names with `-` and names in camel case; `class` is Python's own word."""
    return key.rstrip("_").replace("_", "-")


def title(*lines: str) -> str:
    """What is shown to those who point at the element around."""
    return tag("title", "\n".join(map(escaped, lines)))


def text(words: str, class_: str, x: float, y: float) -> str:
    return tag("text", escaped(words), class_=class_, x=x, y=y)
