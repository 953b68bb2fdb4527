import tempfile
import unittest
from pathlib import Path

from mdlinks.check import Checker, markdown_files


class Site(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def whys(self, text: str) -> list[str]:
        page = self.write("docs/page.md", text)
        return [finding.why for finding in Checker(self.root).check([page])]

    def test_links_are_relative_to_their_page(self) -> None:
        self.write("docs/other.md", "# Other\n")
        self.assertEqual(self.whys("[a](other.md) [b](../docs/other.md#other)"), [])

    def test_a_missing_file_is_found(self) -> None:
        self.assertEqual(self.whys("[a](gone.md)"), ["no such file"])

    def test_a_missing_heading_is_found(self) -> None:
        self.assertEqual(self.whys("# Here\n[a](#there)"), ["no heading for #there"])

    def test_a_slash_starts_at_the_root(self) -> None:
        self.write("top.md", "")
        self.assertEqual(self.whys("[a](/top.md)"), [])

    def test_escapes_in_a_target_are_resolved(self) -> None:
        self.write("docs/two words.md", "")
        self.assertEqual(self.whys("[a](two%20words.md)"), [])

    def test_the_web_is_left_alone(self) -> None:
        self.assertEqual(self.whys("[a](https://example.org/x) [b](mailto:a@example.org)"), [])

    def test_folders_are_searched_and_hidden_ones_are_not(self) -> None:
        self.write("a.md", "")
        self.write("b/c.MD", "")
        self.write(".git/d.md", "")
        names = [path.name for path in markdown_files([self.root])]
        self.assertEqual(names, ["a.md", "c.MD"])
