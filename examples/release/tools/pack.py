"""Packs `mdlinks` into one executable file: the same bytes for the same sources.

Usage: pack.py VERSION TARGET
"""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "mdlinks"
START = "import sys\nfrom mdlinks.cli import main\nsys.exit(main())\n"
THEN = (2020, 1, 1, 0, 0, 0)  # a zip holds times: a fixed one keeps builds equal


def main(version: str, target: Path) -> None:
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        sys.exit(f"pack.py: {version!r} is no version like 1.2.0")
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as out:
        out.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            add(archive, "__main__.py", START)
            for source in sorted(PACKAGE.glob("*.py")):
                add(archive, f"mdlinks/{source.name}", stamped(source, version))
    target.chmod(0o755)
    print(f"packed {target} ({target.stat().st_size} bytes)")


def stamped(source: Path, version: str) -> str:
    text = source.read_text(encoding="utf-8")
    if source.name == "__init__.py":
        text = text.replace('"0.0.0"', f'"{version}"')
    return text


def add(archive: zipfile.ZipFile, name: str, text: str) -> None:
    info = zipfile.ZipInfo(name, THEN)
    info.external_attr = 0o644 << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, text)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
