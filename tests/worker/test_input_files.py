"""Which files a pattern means, and what of a file counts."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.errors import TidemillError
from tidemill.worker.input_files import find, read_inputs, unchanged

FILES = [
    "a.py", "src/a.py", "src/b.txt", "src/deep/er/c.py", "src/.hidden", "src/[x].py",
    "src/ü 日.py", ".git/config", "sub/.git/x.py", ".tidemill/x.py", "dist/a.py",
]  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("*.py", ["a.py"]),
        ("a.py", ["a.py"]),
        ("./a.py", ["a.py"]),
        ("b.py", []),
        ("src/*.py", ["src/[x].py", "src/a.py", "src/ü 日.py"]),
        ("src/[a-b].*", ["src/a.py", "src/b.txt"]),
        ("src/[!a].txt", ["src/b.txt"]),
        ("src/[[]x].py", ["src/[x].py"]),
        ("src/?.py", ["src/a.py"]),
        ("src/**/*.py", ["src/[x].py", "src/a.py", "src/deep/er/c.py", "src/ü 日.py"]),
        ("src/**/**/c.py", ["src/deep/er/c.py"]),
        ("**/c.py", ["src/deep/er/c.py"]),
        ("src/deep/**", ["src/deep/er/c.py"]),
        ("src/deep", ["src/deep/er/c.py"]),
        ("s*/deep", ["src/deep/er/c.py"]),
        ("src/.*", ["src/.hidden"]),
        ("a.py/**", []),
        ("a.py/x", []),
        (".git/*", []),
        (".tidemill/**", []),
        ("sub/**", []),
        ("src/A.py", []),
    ],
)
def test_a_pattern_means_what_it_says(project: Path, pattern: str, matched: list[str]) -> None:
    assert sorted(set(find(project, pattern))) == matched


def test_everything_is_all_but_what_changes_by_itself(project: Path) -> None:
    assert sorted(find(project, "**")) == sorted(n for n in FILES if "/.git" not in f"/{n}"
                                                 and ".tidemill" not in n)  # fmt: skip


@pytest.mark.parametrize("pattern", ["../x", "src/../../x", "/etc/passwd"])
def test_a_pattern_does_not_lead_out_of_the_project(project: Path, pattern: str) -> None:
    with pytest.raises(TidemillError, match="leads out of the project"):
        read_inputs(project, [pattern])


def test_many_stars_take_no_time_without_bound(project: Path) -> None:
    for n in range(40):
        (project / f"src/deep/er/{'a' * 30}{n}").touch()
    assert list(find(project, "src/" + "**/" * 30 + "*a*a*a*a*a*a*a*a*b")) == []


def test_links_count_by_what_they_say_and_what_they_lead_to(project: Path) -> None:
    link = project / "src/link.py"
    digests = set()
    for target in ("a.py", "../a.py", "nowhere", "deep"):
        link.symlink_to(target)
        (state,) = read_inputs(project, ["src/link.py"]).files or [None]
        digests.add(state.digest if state else "")
        link.unlink()
    assert len(digests) == 4
    link.symlink_to("a.py")
    before = read_inputs(project, ["src/link.py"])
    (project / "src/a.py").write_text("new")
    assert read_inputs(project, ["src/link.py"]).files[0].digest != before.files[0].digest
    assert not unchanged(project, before, ["src/link.py"])


def test_a_link_to_a_folder_is_followed_by_name_and_not_by_stars(project: Path) -> None:
    (project / "lib").symlink_to("src/deep")
    (project / "src/deep/loop").symlink_to("..")
    assert list(find(project, "lib/er/*.py")) == ["lib/er/c.py"]
    assert sorted(find(project, "src/deep/**")) == ["src/deep/er/c.py", "src/deep/loop"]
    assert len(read_inputs(project, ["**"]).files) > 5


def test_what_holds_no_content_is_no_input(project: Path) -> None:
    os.mkfifo(project / "src/pipe")
    assert [f.path for f in read_inputs(project, ["src/pipe", "src/a.py"]).files] == ["src/a.py"]


def test_what_cannot_be_read_is_said(project: Path) -> None:
    (project / "src/broken").symlink_to("/proc/self/mem")  # gives an error to everybody
    with pytest.raises(TidemillError, match=r"the input src/broken cannot be read: ") as caught:
        read_inputs(project, ["src/*"])
    assert "inputs" in caught.value.hint


def test_a_name_that_is_no_text_is_an_input_as_well(project: Path) -> None:
    (project / os.fsdecode(b"src/\xff.py")).touch()
    inputs = read_inputs(project, ["src/*.py"])
    assert "file src/\\xff.py" in [file.part[0] for file in inputs.files]


def test_patterns_that_match_nothing_are_told(project: Path) -> None:
    inputs = read_inputs(project, ["scr/**", "a.py", "*.rs"])
    assert inputs.unmatched == ("scr/**", "*.rs")


def test_a_change_while_a_step_ran_is_seen_and_a_touch_is_none(project: Path) -> None:
    patterns = ["src/**"]
    before = read_inputs(project, patterns)
    assert unchanged(project, before, patterns)
    (project / "src/a.py").touch()
    os.utime(project / "src/b.txt", (1, 1))
    assert unchanged(project, before, patterns)
    (project / "src/new.py").touch()
    assert not unchanged(project, before, patterns)
    (project / "src/new.py").unlink()
    (project / "src/a.py").unlink()
    assert not unchanged(project, before, patterns)


# --- any tree --------------------------------------------------------------------------

_NAME = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]),
                min_size=1, max_size=6).filter(lambda n: n not in (".", "..", ".git"))  # fmt: skip
_LEAF = st.one_of(
    st.tuples(st.just("file"), st.binary(max_size=4), st.booleans()),
    st.tuples(st.just("link"), _NAME, st.just(False)),
)
_TREE = st.dictionaries(st.lists(_NAME, min_size=1, max_size=3).map("/".join), _LEAF, max_size=6)


def make(root: Path, tree: dict[str, tuple[str, str | bytes, bool]], seed: int) -> None:
    """Writes what of a tree is possible (a file is no folder), in some order."""
    names = sorted(tree)
    random.Random(seed).shuffle(names)  # noqa: S311 - not for secrets
    for name in sorted(names, key=lambda n: any(o.startswith(n + "/") for o in tree)):
        kind, content, executable = tree[name]
        path = root / name
        if any(other.startswith(name + "/") for other in tree):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "link":
            path.symlink_to(f"nowhere-{content!r}")
        else:
            path.write_bytes(content if isinstance(content, bytes) else b"")
            path.chmod(0o755 if executable else 0o644)


def digest(tree: dict[str, tuple[str, str | bytes, bool]], seed: int) -> list[tuple[str, str]]:
    root = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        make(root, tree, seed)
        return [file.part for file in read_inputs(root, ["**"]).files]
    finally:
        shutil.rmtree(root)


def leaves(tree: dict[str, tuple[str, str | bytes, bool]]) -> dict[str, object]:
    return {n: leaf for n, leaf in tree.items() if not any(o.startswith(n + "/") for o in tree)}


@settings(max_examples=60, deadline=None, database=None)
@given(_TREE, _TREE, st.integers(0, 99))
def test_equal_trees_and_only_those_read_equal(
    one: dict[str, tuple[str, str | bytes, bool]],
    other: dict[str, tuple[str, str | bytes, bool]],
    seed: int,
) -> None:
    assert digest(one, seed) == digest(one, seed + 1)
    assert (digest(one, 0) == digest(other, 0)) == (leaves(one) == leaves(other))


@settings(max_examples=60, deadline=None, database=None)
@given(_TREE.filter(bool), st.data())
def test_a_single_change_is_seen(
    tree: dict[str, tuple[str, str | bytes, bool]], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(leaves(tree))))
    changed = dict(tree)
    del changed[name]
    if data.draw(st.booleans()):
        changed[name] = data.draw(_LEAF.filter(lambda leaf: leaf != tree[name]))
    assert (digest(changed, 0) == digest(tree, 0)) == (leaves(changed) == leaves(tree))
