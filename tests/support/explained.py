"""The examples on the pages of the codes, as they are compiled.

An example is a `tide` block, or several where it takes more than one file: the one without
a name is the main file. `⟨x, 3 times⟩` stands for `xxx`, `\\n` in it for a line's end, `⟨n⟩`
for the number of the repetition: what passes a limit is too large for a page."""

from __future__ import annotations

import re

from memory_files import MAIN

from tidelang import codes

_REPEATED = re.compile(r"⟨((?:[^⟨⟩]|⟨n⟩)*), ([\d_]+) times⟩")
_BLOCK = re.compile(r"^```tide ?([^\n]*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_NUMBERED = 1_001


def example(code: str, heading: str) -> dict[str, str]:
    """The files under `## Fails` or `## Passes` of a code's page, by name."""
    section = re.split(r"^## ", codes.page(code) or "", flags=re.MULTILINE)
    texts = [part for part in section if part.startswith(f"{heading}\n")]
    assert len(texts) == 1, f"{code} has no example under {heading}"
    files: dict[str, str] = {}
    for name, text in _BLOCK.findall(texts[0]):
        count = _NUMBERED if "⟨n⟩" in name else 1
        for n in range(1, count + 1):
            files[name.replace("⟨n⟩", str(n)) or MAIN] = _REPEATED.sub(_repeated, text)
    assert MAIN in files, f"{code} has no main file under {heading}"
    return files


def _repeated(found: re.Match[str]) -> str:
    text = found[1].replace("\\n", "\n")
    if "⟨n⟩" not in text:
        return text * int(found[2])
    return "".join(text.replace("⟨n⟩", str(n)) for n in range(1, int(found[2]) + 1))
