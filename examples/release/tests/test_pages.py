import unittest
from pathlib import Path

from mdlinks.pages import Link, Page, links_in, slug_of


def page(text: str) -> Page:
    return Page(Path("page.md"), text)


class Links(unittest.TestCase):
    def test_inline_links_and_images_are_found(self) -> None:
        found = list(links_in("see [a](a.md) and ![b](img/b.png 'title')"))
        self.assertEqual(found, ["a.md", "img/b.png"])

    def test_a_linked_image_gives_the_inner_target(self) -> None:
        self.assertEqual(list(links_in("[![badge](b.svg)](ci.md)"))[-1], "ci.md")

    def test_references_are_found(self) -> None:
        self.assertEqual(list(links_in("[guide]: docs/guide.md 'The guide'")), ["docs/guide.md"])

    def test_a_target_may_hold_brackets(self) -> None:
        self.assertEqual(list(links_in("[x](a_(b).md)")), ["a_(b).md"])

    def test_code_is_not_read(self) -> None:
        text = "`[a](a.md)`\n\n```md\n[b](b.md)\n```\n[c](c.md)\n"
        self.assertEqual(page(text).links, (Link("c.md", 6),))

    def test_a_longer_fence_holds_a_shorter_one(self) -> None:
        self.assertEqual(page("````\n```\n[b](b.md)\n````\n[c](c.md)").links, (Link("c.md", 5),))


class Anchors(unittest.TestCase):
    def test_a_heading_becomes_a_slug(self) -> None:
        self.assertEqual(slug_of("What's *new* in `v2.0`?"), "whats-new-in-v20")

    def test_a_link_in_a_heading_gives_its_text(self) -> None:
        self.assertEqual(slug_of("The [guide](g.md)"), "the-guide")

    def test_other_alphabets_stay(self) -> None:
        self.assertEqual(slug_of("Über Größe"), "über-größe")

    def test_equal_headings_are_numbered(self) -> None:
        self.assertEqual(page("# A\n## A\n## A\n").anchors, {"a", "a-1", "a-2"})

    def test_explicit_anchors_count(self) -> None:
        self.assertIn("here", page('<a id="here"></a> text').anchors)

    def test_a_comment_in_code_is_no_heading(self) -> None:
        self.assertEqual(page("```sh\n# not a heading\n```\n").anchors, frozenset())
