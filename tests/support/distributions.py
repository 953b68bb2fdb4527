"""Distributions with plugins, as an installer leaves them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent


def install(
    site: Path, distribution: str, source: str, *, point: str = "", version: str = "1.2"
) -> None:
    """A module and its dist-info in the folder `site`."""
    module = distribution.replace("-", "_")
    (site / f"{module}.py").write_text(dedent(source))
    info = site / f"{module}-{version}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
    (info / "METADATA").write_text(metadata)
    (info / "entry_points.txt").write_text(f"[tidemill]\n{point or module} = {module}\n")
