"""Pictures of graphs: each step once, every edge that a longer way does not imply, and
nothing of what a name holds taken for more than text."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidelang.definition import Approval, Argv, Definition, Loop, Script, Step, Subrun, Variable
from tidelang.drawing import dot, mermaid, text
from tidelang.drawing.look import look
from tidelang.drawing.model import Drawing, Edge, Kind, Node
from tidelang.drawing.svg.layout import layout_of
from tidelang.drawing.svg.page import MOST_STEPS, TooLargeError, render

TRUE = Argv((("lit", "true"),))
SVG = "{http://www.w3.org/2000/svg}"


def step(name: str, *needs: str, **more: object) -> Step:
    return Step(name, TRUE, needs, **more)  # type: ignore[arg-type]


@st.composite
def graphs(draw: st.DrawFn) -> Definition:
    """Pipelines of any shape; steps need some of those before them."""
    count = draw(st.integers(1, 40))
    steps = []
    for at in range(count):
        needs = draw(st.sets(st.integers(0, at - 1), max_size=4)) if at else set()
        steps.append(step(f"s{at}", *(f"s{need}" for need in sorted(needs))))
    return Definition("p", steps=tuple(steps))


def reachable(drawing: Drawing) -> set[tuple[str, str]]:
    """All pairs of which the second waits for the first, over others or not."""
    before: list[set[int]] = []
    for at, edges in enumerate(drawing.incoming()):
        assert all(edge.source < at for edge in edges)
        before.append({edge.source for edge in edges}.union(*(before[e.source] for e in edges)))
    names = [node.name for node in drawing.nodes]
    return {(names[a], names[b]) for b, sources in enumerate(before) for a in sources}


def waits(definition: Definition) -> set[tuple[str, str]]:
    before: dict[str, set[str]] = {}
    for each in definition.steps:
        before[each.name] = set(each.needs).union(*(before[need] for need in each.needs))
    return {(a, b) for b, sources in before.items() for a in sources}


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_what_is_left_out_is_implied_and_nothing_else_is(definition: Definition) -> None:
    drawing = look(definition)
    assert Counter(node.name for node in drawing.nodes) == Counter(
        each.name for each in definition.steps
    )
    assert reachable(drawing) == waits(definition)
    for edge in drawing.edges:
        others = tuple(other for other in drawing.edges if other is not edge)
        fewer = Drawing("p", "", drawing.nodes, others)
        assert reachable(fewer) != reachable(drawing), "an edge that a longer way implies"


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_every_form_has_each_step_and_each_edge(definition: Definition) -> None:
    drawing = look(definition)
    edges = sorted((edge.source, edge.target) for edge in drawing.edges)
    for form, pattern in (
        (dot.render, r"s(\d+) -> s(\d+)"),
        (mermaid.render, r"s(\d+) -.*> s(\d+)"),
    ):
        found = [(int(a), int(b)) for a, b in re.findall(pattern, form(drawing))]
        assert sorted(found) == edges
    lines = text.render(drawing, text.Settings()).splitlines()[1:]
    named = Counter(match[0] for line in lines if (match := re.search(r"s\d+", line)))
    assert set(named) == {node.name for node in drawing.nodes}


@given(graphs())
@settings(max_examples=40, deadline=None)
def test_in_the_picture_nothing_overlaps_and_every_arrow_goes_right(definition: Definition) -> None:
    drawing = look(definition)
    layout = layout_of(drawing)
    boxes = [
        (placed.x, placed.y, placed.x + placed.shape.width, placed.y + placed.shape.height)
        for placed in layout.blocks
    ]
    for one, two in itertools.combinations(boxes, 2):
        assert one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]
    for way in layout.ways:
        xs = [x for x, _ in way.points]
        assert xs == sorted(xs)
        assert xs[0] < xs[-1]
    root = ET.fromstring(render(drawing))
    names = [node.findtext(f"{SVG}text") for node in root.findall(f".//{SVG}g")]
    assert sorted(map(str, names)) == sorted(node.name for node in drawing.nodes)


def test_the_same_definition_gives_the_same_bytes() -> None:
    steps = [step("a")]
    steps += [step(f"s{n}", *(["a"] if n < 5 else [f"s{n - 5}", f"s{n - 3}"])) for n in range(40)]
    drawing = look(Definition("p", steps=tuple(steps)))
    assert render(drawing) == render(look(Definition("p", steps=tuple(steps))))


HOSTILE = ['"]; evil', "<script>alert(1)</script>", "a\\nb", "&lt;", "]]>", "--> x", "\x1b[31mred",
           "%%{init}%%", "#35;", "名前", "x" * 300, "end", "`x`", "_a_ *b*"]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_text_and_no_more(name: str) -> None:
    drawing = Drawing(
        name, name, (Node(name, details=(name,)), Node("b")), (Edge(0, 1, data=True),)
    )
    root = ET.fromstring(render(drawing))
    assert {child.tag.removeprefix(SVG) for child in root.iter()} <= {
        "svg", "title", "style", "defs", "marker", "path", "rect", "text", "g", "line"
    }  # fmt: skip
    assert "\x1b" not in render(drawing) + dot.render(drawing) + mermaid.render(drawing)
    quoted = re.sub(r'"(?:[^"\\]|\\.)*"', "", dot.render(drawing))
    assert "evil" not in quoted
    assert len(dot.render(drawing).splitlines()) == 8
    body = mermaid.render(drawing).split("flowchart LR\n")[1]
    assert re.fullmatch(r'  s0\("[^"<>\n`*]*"\)\n  s1\("b"\)\n  s0 --> s1\n', body), body
    assert "\x1b" not in text.render(drawing, text.Settings())


def test_a_long_name_is_whole_in_what_is_shown_to_those_who_point() -> None:
    name = "a_very_long_name_" * 20
    svg = ET.fromstring(render(Drawing("p", "", (Node(name),), ())))
    assert svg.findtext(f".//{SVG}g/{SVG}title") == name


def test_what_a_step_is_can_be_seen() -> None:
    script = Script(("x",), (Variable("V", "value", ("get", ("ref", "step", "many"), "out")),))
    definition = Definition(
        "p",
        steps=(
            step("many", loop=Loop(("v",), ("list", (("lit", 1), ("lit", 2))))),
            Step("uses", script, ("many",)),
            Step("gate", Approval(("lit", "?")), ("uses",)),
            Step("other", Subrun("nightly", "0" * 64), ("gate",), when=("lit", True)),
        ),
    )
    drawing = look(definition)
    assert [node.kind for node in drawing.nodes] == [
        Kind.COMMAND, Kind.COMMAND, Kind.APPROVAL, Kind.SUBRUN
    ]  # fmt: skip
    assert drawing.nodes[0].fan == "×2"
    assert [edge.data for edge in drawing.edges] == [True, False, False]
    assert drawing.nodes[3].conditional
    assert "runs nightly" in drawing.nodes[3].badges


def test_steps_that_repeat_each_other_share_a_frame() -> None:
    wide = [step("first"), *(step(f"w{n}", "first") for n in range(200))]
    wide.append(step("last", *(f"w{n}" for n in range(200))))
    layout = layout_of(look(Definition("p", steps=tuple(wide))))
    assert [len(placed.block.nodes) for placed in layout.blocks] == [1, 200, 1]
    assert len(layout.ways) == 2
    chain = [step("c0"), *(step(f"c{n}", f"c{n - 1}") for n in range(1, 200))]
    layout = layout_of(look(Definition("p", steps=tuple(chain))))
    assert layout.width < 3_000
    assert layout.height < 3_000


def test_a_deep_tree_stays_within_the_screen() -> None:
    steps = [step("c0")]
    for n in range(1, 60):
        steps += [step(f"c{n}", f"c{n - 1}"), step(f"side{n}", f"c{n - 1}")]
    shown = text.render(look(Definition("p", steps=tuple(steps))), text.Settings(60))
    assert max(map(len, shown.splitlines())) <= 60


def test_more_steps_than_anybody_can_look_at_are_refused() -> None:
    steps = tuple(step(f"s{n}") for n in range(MOST_STEPS + 1))
    with pytest.raises(TooLargeError, match="3,001 steps"):
        render(look(Definition("p", steps=steps)))
