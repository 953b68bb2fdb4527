"""The canonical layout, rule by rule; `docs/reference/formatting.md` tells them to users."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidelang.formatting import format_source
from tidelang.limits import BRACKETS
from tidelang.parser import parse
from tidelang.source import Source

ROOT = Path(__file__).parents[2]


def formatted(text: str) -> str:
    result = format_source(Source("test.tide", text))
    assert result.text is not None, result.diagnostics
    return result.text


def becomes(before: str, after: str) -> None:
    """Both without the line end behind them, and the first one behind their quotes."""
    before, after = before.removeprefix("\n"), after.removeprefix("\n")
    assert formatted(before) == after
    assert formatted(after) == after


# --- items ------------------------------------------------------------------------------------


def test_each_item_has_a_line_and_its_separators_go() -> None:
    becomes(
        "pipeline p {timeout=1m;\n\tstep a;step b , step c\n}",
        """
pipeline p {
  timeout = 1m
  step a
  step b
  step c
}
""",
    )


def test_what_was_on_one_line_stays_there_while_it_fits() -> None:
    becomes("retry {attempts=3;max=1m}", "retry { attempts = 3, max = 1m }\n")
    becomes("retry {attempts=3\nmax=1m}", "retry {\n  attempts = 3\n  max      = 1m\n}\n")
    long = "x" * 60
    becomes(
        f"retry {{ {long} = 3, on = [failed, timeout, lost, gone] }}",
        f"retry {{\n  {long} = 3\n  on = [failed, timeout, lost, gone]\n}}\n",
    )


def test_a_line_has_at_most_a_hundred_columns() -> None:
    name = "n" * 85
    becomes(f"let {name} = [1, 2]", f"let {name} = [1, 2]\n")
    becomes(f"env {{ {name} = 12 }}", f"env {{ {name} = 12 }}\n")
    becomes(f"env {{ {name} = 123456 }}", f"env {{\n  {name} = 123456\n}}\n")


def test_empty_braces_are_closed_at_once() -> None:
    becomes("step a {\n\n}\nstep b { }", "step a {}\nstep b {}\n")


def test_one_blank_line_stays_and_none_at_the_edges_of_a_body() -> None:
    becomes(
        "\n\nstep a {\n\n\n  x = 1\n\n\n\n  y = 2\n\n}\n\n\n",
        "step a {\n  x = 1\n\n  y = 2\n}\n",
    )


def test_pipelines_and_tasks_have_a_blank_line_around_them() -> None:
    becomes(
        "let a = 1\npipeline p\n# about q\n# more\npipeline q\n\n# about t\ntask t\nlet b = 2",
        """
let a = 1

pipeline p

# about q
# more
pipeline q

# about t
task t

let b = 2
""",
    )


def test_lines_end_as_on_unix_and_a_byte_order_mark_goes() -> None:
    becomes("\ufeff# one\r\nstep a {\r\n}\r\n", "# one\nstep a {}\n")
    becomes("", "")
    becomes(" \r\n\t\n", "")


# --- alignment --------------------------------------------------------------------------------


def test_the_equals_signs_of_neighbours_are_aligned() -> None:
    becomes(
        """
let a = 1
let long = 2
pipeline p {
  a=1
  long=2

  b = 1
  longer = 2
  # a comment
  c = 1
  longest = {
    x = 1
  }
  d = 1
  step a
  e = 1
}
""",
        """
let a    = 1
let long = 2

pipeline p {
  a    = 1
  long = 2

  b      = 1
  longer = 2
  # a comment
  c = 1
  longest = {
    x = 1
  }
  d = 1
  step a
  e = 1
}
""",
    )


def test_params_and_outputs_are_not_aligned() -> None:
    text = 'param a: int = 1\nparam other: string = "x"\noutput long: file = "*"\n'
    becomes(text, text)


def test_a_line_that_would_get_too_long_by_it_is_not_aligned() -> None:
    text = "x" * 85
    becomes(
        f'a = 1\nabc = 2\nb = "{text}"\nlonger_name_here = 3\nd = 4',
        f'a   = 1\nabc = 2\nb = "{text}"\nlonger_name_here = 3\nd                = 4\n',
    )


def test_a_very_long_name_pushes_no_other_value_away() -> None:
    name = "n" * 41
    becomes(f"a = 1\nbc = 2\n{name} = 3", f"a  = 1\nbc = 2\n{name} = 3\n")


def test_comments_beside_neighbouring_lines_are_aligned() -> None:
    becomes(
        "a = skip # one\nlonger = 2 # two\nstep x { # open\ny = 1 # three\n} # end\nz = 1 # four",
        """
a      = skip  # one
longer = 2     # two
step x {  # open
  y = 1  # three
}  # end
z = 1  # four
""",
    )


def test_wide_characters_count_as_two_columns() -> None:
    becomes(
        'x = { \n"漢字" = 1 # a\nb = 2 # b\n}',
        'x = {\n  "漢字" = 1  # a\n  b      = 2  # b\n}\n',
    )


# --- expressions ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a=-1+b*- c", "a = -1 + b * -c"),
        ("a = not  x in y", "a = not x in y"),
        ("a = x .y [ 0 ] (1,b=2,) . z", "a = x.y[0](1, b = 2).z"),
        ("a = x|f( 1 )|g", "a = x | f(1) | g"),
        ("a = run.if.not [0]", "a = run.if.not[0]"),
        ("a = x.in - 1", "a = x.in - 1"),
        ("a = [ 1,2 , ]", "a = [1, 2]"),
        ("a = [x for(x,)in xs if x]", "a = [x for (x) in xs if x]"),
        ("a = {x=1;y=[ ]}", "a = { x = 1, y = [] }"),
        ("a = ( b )", "a = (b)"),
        ('a = "{{x|upper}}"', 'a = "{{x|upper}}"'),
        ("a = 1_000 + 1h30m + 1.50", "a = 1_000 + 1h30m + 1.50"),
        ("param x:int( - 1 .. 16 )=3", "param x: int(-1..16) = 3"),
        ('param x : "a"|"b"', 'param x: "a" | "b"'),
        ("output x:list( map ( string ) )", "output x: list(map(string))"),
        ("task t ( a:int=1 , b ) {x=1}", "task t(a: int = 1, b) { x = 1 }"),
        ("step a for( x , y )in xs=t(a=1){b=2}", "step a for (x, y) in xs = t(a = 1) { b = 2 }"),
        ('import  "a"  as  b', 'import "a" as b'),
        ('schedule   "0 2 * * *"', 'schedule "0 2 * * *"'),
    ],
)  # fmt: skip
def test_spaces_stand_where_they_belong(before: str, after: str) -> None:
    becomes(before, after + "\n")


def test_a_long_list_or_call_has_an_entry_on_each_line_and_a_comma_behind_all() -> None:
    items = [f'"{letter * 30}"' for letter in "abc"]
    lines = "".join(f"  {item},\n" for item in items)
    becomes(f"a = [{', '.join(items)}]", f"a = [\n{lines}]\n")
    becomes(f"a = f({', '.join(items)},)", f"a = f(\n{lines})\n")
    becomes(f"step a = f({','.join(items)}) {{ x = 1 }}", f"step a = f(\n{lines}) {{ x = 1 }}\n")


def test_no_comma_where_the_language_has_none() -> None:
    name = "n" * 96
    becomes(f"a = x[ {name} ]", f"a = x[\n  {name}\n]\n")
    becomes(f"a = ({name})", f"a = (\n  {name}\n)\n")
    becomes(f"output a: list({name})", f"output a: list(\n  {name}\n)\n")


def test_a_list_that_was_opened_on_a_line_of_its_own_stays_so() -> None:
    becomes("a = [\n1,2]", "a = [\n  1,\n  2,\n]\n")
    becomes("a = [1,\n2\n]", "a = [1, 2]\n")
    becomes("a = (\n1 +\n2\n)", "a = (1 + 2)\n")


def test_a_bracket_around_one_thing_opens_and_closes_with_it() -> None:
    becomes("a = json({\nx=1\nyy=2\n})", "a = json({\n  x  = 1\n  yy = 2\n})\n")
    becomes('a = f("""\nx\n""")', 'a = f("""\n  x\n""")\n')


def test_operators_end_lines_the_loosest_ones_first() -> None:
    a, b, c, d = (letter * 40 for letter in "abcd")
    becomes(
        f"x = ({a} and {b} or {c} and not {d})",
        f"x = (\n  {a} and {b} or\n  {c} and not {d}\n)\n",
    )
    becomes(
        f"x = ({a} + {b} + {c} == {d})",
        f"x = (\n  {a} +\n    {b} +\n    {c} ==\n  {d}\n)\n",
    )
    becomes(
        f"x = ({a} if {b} else {c})",
        f"x = (\n  {a}\n  if {b}\n  else {c}\n)\n",
    )
    becomes(
        f"x = [{a} for i in {b} if {c}]",
        f"x = [\n  {a}\n  for i in {b}\n  if {c}\n]\n",
    )


# --- comments ---------------------------------------------------------------------------------


def test_comments_stay_beside_what_they_stood_beside() -> None:
    becomes(
        """
#first
step a   {   # open
      # own
  x = 1  ,   # beside


    # after a blank
  # and another
} # closed
# last
""",
        """
#first
step a {  # open
  # own
  x = 1  # beside

  # after a blank
  # and another
}  # closed
# last
""",
    )


def test_comments_in_brackets_keep_their_entries() -> None:
    becomes(
        """
a = [ # open
  1, 2 # two
  # before three
  , 3   # three

  # end
]
b = f( # open
)
c = (x # x
 + # plus
 # own
 y)
""",
        """
a = [  # open
  1,
  2,  # two
  # before three
  3,  # three

  # end
]
b = f(  # open
)
c = (
  x  # x
    +  # plus
    # own
  y
)
""",
    )


# --- strings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""\nx\n  y\n\n z"""', '"""\n    x\n      y\n\n     z"""'),
        ('"""\n\t\tx\n\t\t\ty\n\t"""', '"""\n    x\n    \ty\n  """'),
        ('"""  \n        x\n   \n        y\n"""', '"""\n    x\n\n    y\n  """'),
        ('"""first\n      x\n      """', '"""first\n    x\n  """'),
        ('"""\n     {{ x }}\n       y {{ z }}"""', '"""\n    {{ x }}\n      y {{ z }}"""'),
        ('r"""\n \\d\n"""', 'r"""\n    \\d\n  """'),
        ('"""\r\n  x\r\n  y\r\n"""', '"""\n    x\n    y\n  """'),
        # What stands beyond the margin of an empty line is part of the value.
        ('"""\n x\n   \n y\n"""', '"""\n    x\n      \n    y\n  """'),
        # No margin to be told from the text: left alone.
        ('"""x"""', '"""x"""'),
        ('"""\n\n"""', '"""\n\n  """'),
        ('"""\n{{ x |\n f }}\n"""', '"""\n    {{ x |\n f }}\n  """'),
    ],
)
def test_long_strings_stand_two_spaces_deeper_with_the_same_value(before: str, after: str) -> None:
    text, laid_out = f"s {{\n  run = {before}\n}}\n", f"s {{\n  run = {after}\n}}\n"
    becomes(text, laid_out)


def test_a_string_whose_value_would_change_is_left_alone() -> None:
    text = 's {\n  run = """\n       x\r\r\n"""\n}\n'
    assert formatted(text) == text


# --- what cannot be laid out ------------------------------------------------------------------


def test_a_file_with_mistakes_is_left_alone_and_they_are_told() -> None:
    source = Source("test.tide", "step a {\n  x = \n}\n")
    result = format_source(source)
    assert result.text is None
    assert result.diagnostics == parse(source).diagnostics != ()


def test_a_file_that_means_nothing_is_laid_out_all_the_same() -> None:
    becomes("let  a=nothing", "let a = nothing\n")


def test_a_file_that_would_grow_beyond_a_limit_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for place in ("tidelang.parser.FILE_BYTES", "tidelang.formatting.FILE_BYTES"):
        monkeypatch.setattr(place, 200)  # reading the 8 MiB of truth would take long
    text = "a{\n" * 10 + ",".join(["abcd=1"] * 15) + "}" * 10
    result = format_source(Source("test.tide", text))
    assert result.text is None
    assert [each.code for each in result.diagnostics] == ["T090"]


@pytest.mark.parametrize("opener", ["(", "[", "{ a = ", "f(", "a[", "f({ a = "])
def test_the_deepest_nesting_is_laid_out(opener: str) -> None:
    count = BRACKETS // (2 if opener == "f({ a = " else 1)
    closers = {"(": ")", "[": "]", "{": "}"}
    closing = "".join(closers[sign] for sign in reversed(opener) if sign in closers)
    inside = " and ".join(["x" * 20] * 6)
    text = f"let a = {opener * count}{inside}{closing * count}\n"
    result = formatted(text)
    assert formatted(result) == result
    assert parse(Source("test.tide", result)).diagnostics == ()


# --- our own files ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [ROOT / "ci.tide", *sorted(ROOT.glob("examples/*/*.tide"))],
    ids=lambda path: path.name,
)
def test_our_own_files_are_in_canonical_form(path: Path) -> None:
    assert formatted(path.read_text()) == path.read_text()
