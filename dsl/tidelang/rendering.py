"""A process of its own that fills in templates, within bounds that none can pass.

A template that is small can still loop for ever, or make gigabytes of a few letters. Who
writes it is not who runs the process that tells people, so it is filled in apart from that:
`python -m tidelang.rendering` reads a request from its standard input, as JSON, and answers
with the texts, or with what is wrong. It is given no secret, neither there nor in its
environment.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping
from typing import Any

from tidelang.reify import literal, value_of

CPU_SECONDS = 5
MEMORY = 512 << 20
"""Bytes of address space."""


def request(templates: Mapping[str, str], names: Mapping[str, Any]) -> bytes:
    """What is sent: templates by name, and values of Tide by the names that they know."""
    values = {name: literal(value) for name, value in names.items()}
    return json.dumps({"templates": dict(templates), "names": values}).encode()


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from tidelang import jinja  # within the bounds

    asked = json.load(sys.stdin.buffer)
    names = {name: value_of(value) for name, value in asked["names"].items()}
    texts, answer = {}, {}
    for name, source in asked["templates"].items():
        try:
            texts[name] = jinja.render(source, names)
        except jinja.RenderError as error:
            answer = {"template": name, "error": str(error)}
            break
    json.dump(answer or {"texts": texts}, sys.stdout)


if __name__ == "__main__":
    main()
