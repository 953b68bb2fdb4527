"""What a person probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The one name of `names` that `word` looks like, if any does."""
    from difflib import get_close_matches

    matches = get_close_matches(word, list(names), n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """A sentence to put behind a complaint, or nothing."""
    match = nearest(word, names)
    return f" Did you mean '{match}'?" if match else ""


def tide_files(folder: Path, limit: int = 5) -> list[Path]:
    """The first few `.tide` files right in a folder, as one would type them."""
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix == ".tide")
    except OSError:
        return []
    return found[:limit]


def which_file(command: str, folder: Path) -> str:
    """The hint for somebody who named no file, or a folder: commands that would work."""
    return "\n".join(f"tidemill {command} {path}" for path in tide_files(folder)) or (
        f"there is no .tide file in {'this folder' if folder == Path() else folder}"
    )
