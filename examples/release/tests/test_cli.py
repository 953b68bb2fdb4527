import io
import json
import unittest
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from mdlinks.cli import main

PAGES = Path(__file__).parent / "pages"


class Commands(unittest.TestCase):
    def run_main(self, *arguments: str) -> tuple[int, str]:
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(out):
            code = main(arguments)
        return code, out.getvalue()

    def test_a_clean_site_ends_with_0(self) -> None:
        self.assertEqual(self.run_main(str(PAGES / "good")), (0, "2 pages, 4 links, 0 broken\n"))

    def test_a_broken_site_ends_with_1_and_names_the_lines(self) -> None:
        code, out = self.run_main(str(PAGES / "bad"))
        self.assertEqual(code, 1)
        self.assertIn("index.md:3: guide.md: no such file", out)
        self.assertIn("index.md:4: #setup: no heading for #setup", out)

    def test_json_is_for_programs(self) -> None:
        _, out = self.run_main("--json", str(PAGES / "bad"))
        self.assertEqual([item["line"] for item in json.loads(out)], [3, 4])

    def test_a_missing_path_is_bad_usage(self) -> None:
        code, out = self.run_main("no-such-page.md")
        self.assertEqual((code, out), (2, "mdlinks: no-such-page.md is not there\n"))
