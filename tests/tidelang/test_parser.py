"""The grammar: what a file says becomes the tree that says the same."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from explained import example
from memory_files import MAIN

from tidelang import codes, syntax
from tidelang.lexing.layout import lay_out
from tidelang.lexing.scan import Scanner
from tidelang.parser import parse
from tidelang.parsing import tables
from tidelang.reading import SourceError, read_source
from tidelang.source import Source, Span
from tidelang.syntax import Expression

RELEASE = '''\
# release.tide: build, test and ship
import "lib/python.tide" as py

let python_versions = ["3.11", "3.12", "3.13"]

pipeline release {
  description = "Build, test and ship"

  param version: string = "dev"
  param target: "staging" | "production" = "staging"

  schedule "0 2 * * mon-fri" {
    timezone = "Europe/Berlin"
    params   = { target = "production" }
    overlap  = skip          # allow | skip | queue | replace
    catchup  = latest        # none | latest | all
    jitter   = 30s
    prewarm  = 1m
  }
  trigger pipeline nightly { on = [succeeded] }
  trigger event "git.push" { when = event.branch == "main", params = { version = event.sha } }

  deadline = 45m

  defaults {
    executor docker { image = "python:3.12-slim" }
    timeout = 10m
    retry { attempts = 3, backoff = 5s, factor = 2, max = 1m, on = [failed, timeout, lost] }
  }

  step build {
    run = """
      make wheel VERSION={{ version }}
      echo "digest=$(sha256sum dist/*.whl | cut -d' ' -f1)" >> "$TIDE_OUTPUT"
    """
    output wheel: file = "dist/*.whl"
    output digest: string
    cache { inputs = ["src/**", "pyproject.toml"] }
  }

  step unit for v in python_versions = py.pytest(python = v, wheel = build.wheel) {
    resources { cpu = 1, memory = 1GiB }
  }

  step approve {
    needs   = [unit]
    when    = target == "production"
    approve { prompt = "Ship {{ version }} ({{ build.digest }})?", by = ["rm"], timeout = 4h }
  }

  step deploy {
    needs    = [unit, approve]
    when     = succeeded(unit) and not failed(approve)
    priority = high
    executor ssh { host = "web-1.example.com", user = "deploy" }
    env { TOKEN = secret("DEPLOY_TOKEN") }
    run = "deploy {{ build.wheel }} --to {{ target }}"
  }

  notify slack {
    on      = [failed, recovered, deadline_missed]
    url     = secret("SLACK_URL")
    message = "{{ run.pipeline }} #{{ run.number }} is {{ run.state }}"
  }
}
'''


def clean(text: str) -> syntax.File:
    parsed = parse(Source("test.tide", text))
    assert parsed.diagnostics == ()
    return parsed.file


def item(text: str) -> syntax.Item:
    (only,) = clean(text).items
    return only


def value(text: str) -> Expression:
    let = item(f"let it = {text}\n")
    assert isinstance(let, syntax.Let)
    return let.value


def show(node: Expression) -> str:  # noqa: C901 - one line a node
    """The tree as brackets."""
    match node:
        case syntax.Name(id=name):
            return name
        case syntax.Literal(value=literal):
            return repr(literal)
        case syntax.Binary(operator=op, left=left, right=right):
            return f"({show(left)} {op} {show(right)})"
        case syntax.Unary(operator=op, operand=operand):
            return f"({op} {show(operand)})"
        case syntax.Conditional(condition=c, then=a, otherwise=b):
            return f"({show(a)} if {show(c)} else {show(b)})"
        case syntax.Member(value=inner, name=name):
            return f"{show(inner)}.{name}"
        case syntax.Index(value=inner, index=index):
            return f"{show(inner)}[{show(index)}]"
        case syntax.Call(function=f, arguments=arguments):
            said = [(f"{a.name}=" if a.name else "") + show(a.value) for a in arguments]
            return f"{show(f)}({', '.join(said)})"
        case syntax.ListExpression(items=items):
            return "[" + ", ".join(map(show, items)) + "]"
        case syntax.String():
            return repr(node.plain)
        case syntax.Comprehension(element=e, targets=t, iterable=i, condition=c):
            names = ", ".join(name.id for name in t)
            tail = f" if {show(c)}" if c else ""
            return f"[{show(e)} for {names} in {show(i)}{tail}]"
    raise AssertionError(node)


def test_the_large_example_of_the_language_reads_completely() -> None:
    pipeline = clean(RELEASE).items[2]
    assert isinstance(pipeline, syntax.Pipeline)
    assert pipeline.body is not None
    said = [type(i).__name__ for i in pipeline.body.items]
    assert said == (
        ["Attribute"] + ["Param"] * 2 + ["Block"] * 3 + ["Attribute", "Block"] + ["Step"] * 4
        + ["Block"]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a or b and not c == d", "(a or (b and (not (c == d))))"),
        ("a + b * -c - d", "((a + (b * (- c))) - d)"),
        ("a if b else c if d else e", "(a if b else (c if d else e))"),
        ("a if b else c | f", "f((a if b else c))"),
        ("a | f(1) | m.g", "m.g(f(a, 1))"),
        ("a in b", "(a in b)"),
        ("not a not in b", "(not (a not in b))"),
        ("(a < b) == c", "((a < b) == c)"),
        ("a.b[0].c(1, x = 2,)", "a.b[0].c(1, x=2)"),
        ("run.pipeline", "run.pipeline"),
        ("-1.5", "(- 1.5)"),
        ("[1, 2,\n 3,\n]", "[1, 2, 3]"),
        ("[]", "[]"),
        ("[a for a in xs | f if a > 1]", "[a for a in f(xs) if (a > 1)]"),
        ("[a + b for (a, b) in product(x, y)]", "[(a + b) for a, b in product(x, y)]"),
        ("(a +\n  b)", "(a + b)"),
        ("1_000", "1000"),
    ],
)
def test_expressions_bind_as_the_language_says(text: str, tree: str) -> None:
    assert show(value(text)) == tree


def test_durations_and_sizes_have_their_values() -> None:
    for text, milliseconds in [("500ms", 500), ("1h30m", 5_400_000), ("7d", 604_800_000)]:
        node = value(text)
        assert isinstance(node, syntax.DurationLiteral)
        assert node.milliseconds == milliseconds
    for text, size in [("512MiB", 2**29), ("10MB", 10**7), ("1.5KiB", 1536)]:
        node = value(text)
        assert isinstance(node, syntax.SizeLiteral)
        assert node.bytes == size


def test_objects_hold_entries_parted_by_lines_or_commas() -> None:
    node = value('{ a = 1, "b-c" = 2\n d = 3 }')
    assert isinstance(node, syntax.ObjectExpression)
    assert [entry.key for entry in node.entries] == ["a", "b-c", "d"]


@pytest.mark.parametrize(
    ("text", "name", "arguments", "bounds"),
    [
        ("int(1..16)", "int", 0, (1, 16)),
        ("int(..5)", "int", 0, (None, 5)),
        ("float(-0.5..)", "float", 0, (-0.5, None)),
        ("list(map(string))", "list", 1, None),
        ("secret", "secret", 0, None),
    ],
)
def test_types_are_read(
    text: str, name: str, arguments: int, bounds: tuple[float | None, float | None] | None
) -> None:
    param = item(f"param p: {text}\n")
    assert isinstance(param, syntax.Param)
    assert isinstance(param.type, syntax.NamedType)
    assert (param.type.name, len(param.type.arguments), param.type.bounds) == (
        name,
        arguments,
        bounds,
    )


def test_a_union_has_its_members_in_order() -> None:
    param = item('param p: "a" | "b" = "a" { description = "d" }\n')
    assert isinstance(param, syntax.Param)
    assert isinstance(param.type, syntax.UnionType)
    assert [member.plain for member in param.type.members] == ["a", "b"]
    assert param.default is not None
    assert param.body is not None


def test_steps_take_loops_calls_and_bodies_in_any_company() -> None:
    step = item("step a for (x, y) in product(xs, ys) = pipeline other(v = x) { timeout = 1m }")
    assert isinstance(step, syntax.Step)
    assert step.loop is not None
    assert [name.id for name in step.loop.targets] == ["x", "y"]
    assert step.calls_pipeline
    assert isinstance(step.call, syntax.Call)
    assert step.body is not None
    bare = item("step build;")
    assert isinstance(bare, syntax.Step)
    assert (bare.loop, bare.call, bare.body) == (None, None, None)


def test_tasks_have_parameters() -> None:
    task = item('task t(a: string, b: int = 3,) { run = "x" }')
    assert isinstance(task, syntax.Task)
    assert [param.name.id for param in task.params] == ["a", "b"]


def test_blocks_take_names_strings_and_durations_as_labels() -> None:
    for text, count in [("a", 0), ("a b", 1), ('a b "c" 15m {}', 3), ("trigger pipeline x", 2)]:
        block = item(text)
        assert isinstance(block, syntax.Block)
        assert len(block.labels) == count


def test_line_ends_of_windows_and_a_byte_order_mark_change_nothing() -> None:
    plain = parse(Source("a", RELEASE))
    other = parse(Source("a", "\ufeff" + RELEASE.replace("\n", "\r\n")))
    assert other.diagnostics == ()
    assert _without_spans(plain.file) == _without_spans(other.file)


def test_every_span_shows_what_the_node_was_made_from() -> None:
    source = Source("a", RELEASE)
    file = parse(source).file
    names = [n for n in _nodes(file) if isinstance(n, syntax.Name)]
    assert len(names) > 30
    assert all(name.span.text == name.id for name in names)
    attributes = [n for n in _nodes(file) if isinstance(n, syntax.Attribute)]
    assert all(re.match(rf"{a.name}\s*=", a.span.text) for a in attributes)


def test_the_tables_in_the_package_are_fresh() -> None:
    shipped = tables.FILE.read_text(encoding="utf-8")
    made = tables.json.dumps(tables.make(), separators=(",", ":")) + "\n"
    assert shipped == made, "run: python -m tidelang.parsing.tables"


def test_without_the_shipped_tables_the_grammar_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tables, "FILE", tables.HERE / "no-such-file.json")
    made = tables.tables.__wrapped__()
    assert made.words == tables.tables().words
    assert len(made.table.states) == len(tables.tables().table.states)


def test_the_shortened_tables_read_the_same_language_as_larks_own() -> None:
    long = tables.bare().parser.parser._parse_table  # noqa: SLF001 - lark's own tables
    short = tables.tables().table
    for text in [RELEASE, "let a = (1 +\n 2) * 3 | f", "step a for x in y = b() { c { } }"]:
        types = _types(text)
        assert _accepts(long, types)
        assert _accepts(short, types)
        for at in range(0, len(types), 7):
            broken = types[:at] + types[at + 1 :]
            assert _accepts(long, broken) == _accepts(short, broken)


def test_parsing_starts_without_reading_the_grammar_or_pickles() -> None:
    code = (
        "import sys\n"
        "from tidelang.source import Source\n"
        "from tidelang.parser import parse\n"
        "import lark.load_grammar as g\n"
        "def no(*a, **k): raise AssertionError('the grammar was compiled')\n"
        "g.load_grammar = no\n"
        "assert parse(Source('a', 'let a = 1')).diagnostics == ()\n"
        "print('pydantic' in sys.modules, 'rich' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


@pytest.mark.parametrize("code", [c for c in codes.all_codes() if c < "T096"])
def test_the_example_on_the_page_of_a_code_fails_with_it_and_the_other_passes(code: str) -> None:
    text = codes.page(code)
    assert text is not None
    assert text.startswith(f"# {code}: {codes.title(code)}\n")
    assert parse(Source("passes", example(code, "Passes")[MAIN])).diagnostics == ()
    told = [d.code for d in parse(Source("fails", example(code, "Fails")[MAIN])).diagnostics]
    assert told[-1] == code
    assert code == "T095" or set(told) == {code}  # it stands behind a hundred others


def test_an_unknown_code_has_no_page() -> None:
    assert codes.page("T999") is None
    assert codes.title("T999") is None
    assert codes.page("t001") == codes.page("T001")


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    folder = tmp_path
    with pytest.raises(SourceError, match="there is no such file"):
        read_source(folder / "none.tide")
    with pytest.raises(SourceError, match="this is a folder"):
        read_source(folder)
    bad = folder / "bad.tide"
    bad.write_bytes(b"let a = 1\nlet \xc3\xa4 \xff")
    with pytest.raises(SourceError, match=r"bad\.tide:2:7: byte 0xFF is not UTF-8"):
        read_source(bad)
    good = folder / "good.tide"
    good.write_bytes(b"\xef\xbb\xbflet a = 1\n")
    assert read_source(good).text == "let a = 1\n"


# --- helpers ------------------------------------------------------------------------------


def _types(text: str) -> list[str]:
    source = Source("a", text)
    t = tables.tables()
    laid = lay_out(source, Scanner(source, t.words, t.signs).run())
    assert laid is not None
    return [token.type for token in laid]


def _accepts(table: tables.IntParseTable, types: list[str]) -> bool:
    """Run the bare automaton."""
    stack = [table.start_states["file"]]
    for type_ in [*types, "$END"]:
        while True:
            found = table.states[stack[-1]].get(type_)
            if found is None:
                return False
            action, arg = found
            if action is tables.Shift:
                stack.append(arg)
                break
            if arg.expansion:
                del stack[-len(arg.expansion) :]
            stack.append(table.states[stack[-1]][arg.origin.name][1])
            if stack[-1] == table.end_states["file"]:
                return True
    return False


def _nodes(node: object) -> list[object]:
    if isinstance(node, tuple):
        return [n for part in node for n in _nodes(part)]
    if isinstance(node, Span | Source) or not hasattr(node, "__dataclass_fields__"):
        return []
    found: list[object] = [node]
    for name in node.__dataclass_fields__:
        found += _nodes(getattr(node, name))
    return found


def _without_spans(node: object) -> object:
    if isinstance(node, tuple):
        return tuple(map(_without_spans, node))
    if isinstance(node, Span):
        return None
    if not hasattr(node, "__dataclass_fields__"):
        return node
    fields = node.__dataclass_fields__
    return type(node).__name__, tuple(_without_spans(getattr(node, f)) for f in fields)
