"""Who is told of what: `notify` blocks, and the templates in them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from tidelang import codec, jinja
from tidelang.compiler import Compilation, NoPlugins, compile_source
from tidelang.definition import Notification
from tidelang.diagnostics import Diagnostic
from tidelang.schema import Template
from tidelang.source import Source


class Chat(BaseModel):
    model_config = ConfigDict(extra="forbid")
    url: SecretStr
    message: Annotated[str, Template()] = "{{ run.state }}"
    channel: str = Field("", pattern="^#|^$")
    retries: int = Field(3, ge=0)


class _Plugins(NoPlugins):
    def notifier_kinds(self) -> tuple[str, ...]:
        return ("chat",)

    def notifier_settings(self, kind: str) -> type[BaseModel]:
        return {"chat": Chat}[kind]

    def notifier_origin(self, kind: str) -> str:
        return f"tide-{kind} 2.0"

    def notifier_problem(self, kind: str) -> str | None:
        return "it needs a newer Python" if kind == "broken" else None


def compiled(items: str, plugins: NoPlugins | None = None) -> Compilation:
    text = f'pipeline p {{\nstep build {{ run = "make" }}\n{items}\n}}\n'
    return compile_source(Source("a.tide", text), plugins or _Plugins())


def told(items: str, plugins: NoPlugins | None = None) -> list[Diagnostic]:
    return list(compiled(items, plugins).diagnostics)


def chat(message: str, head: str = "") -> str:
    return f'{head}\nnotify chat {{\nurl = secret("URL")\nmessage = {message}\n}}'


def mistakes(message: str, head: str = "") -> list[tuple[str, int, int, str]]:
    """Code, line and column within the literal, and what is underlined."""
    found = []
    for each in told(chat(message, head)):
        line = each.span.first.line - (5 + head.count("\n"))
        column = each.span.first.column - (len("message = ") if line == 1 else 0)
        found.append((each.code, line, column, each.span.text))
    return found


def notification(items: str) -> Notification:
    result = compiled(items)
    assert result.diagnostics == ()
    return result.definitions[0].notifications[0]


# --- the block -----------------------------------------------------------------------------


def test_what_it_means() -> None:
    found = notification("""
let team = "#builds"
notify chat {
  on      = [deadline_missed, failed, failed]
  channel = team
  url     = secret("URL")
  message = "{{ run.pipeline }} is {{ run.state }}"
}
""")
    assert found == Notification(
        "chat",
        ("failed", "deadline_missed"),
        (
            ("channel", ("ref", "let", "team")),
            ("message", ("lit", "{{ run.pipeline }} is {{ run.state }}")),
            ("url", ("secret", "URL")),
        ),
    )


def test_without_on_people_are_told_of_failure_and_recovery() -> None:
    assert notification('notify chat { url = secret("URL") }').on == ("failed", "recovered")


def test_several_stand_in_the_order_of_the_file_and_are_read_back() -> None:
    (definition,) = compiled(
        'notify chat { url = secret("A") }\nnotify chat { url = secret("B"), on = [started] }'
    ).definitions
    assert [n.settings[0][1] for n in definition.notifications] == [
        ("secret", "A"),
        ("secret", "B"),
    ]
    assert codec.decode(codec.encode(definition)) == definition


@pytest.mark.parametrize(
    ("items", "code"),
    [
        ("notify chta {}", "T503"),
        ("notify broken {}", "T502"),
        ("notify {}", "T113"),
        ('notify "chat" {}', "T113"),
        ("notify chat {}", "T211"),
        ('notify chat { url = "https://x" }', "T618"),
        ('notify chat { url = secret("U"), chanel = "#x" }', "T108"),
        ('notify chat { url = secret("U"), channel = "x" }', "T505"),
        ('notify chat { url = secret("U"), retries = -1 }', "T206"),
        ('notify chat { url = secret("U"), channel = secret("C") }', "T610"),
        ('notify chat { url = secret("U"), on = [exploded] }', "T205"),
        ('notify chat { url = secret("U"), on = secret("C") }', "T610"),
        ('notify chat { url = secret("U"), on = [] }', "W601"),
        ('notify chat { url = secret("U"), channel = build.x }', "T109"),
    ],
)
def test_one_mistake_gives_one_diagnostic(items: str, code: str) -> None:
    assert [d.code for d in told(items)] == [code]


def test_an_unknown_kind_says_what_is_there() -> None:
    (found,) = told("notify slack {}")
    assert found.message == "there is no notifier `slack`"
    assert found.fix is not None
    assert found.fix.message == "there are `chat`; others come with plugins"
    (found,) = told("notify slack {}", NoPlugins())
    assert found.fix is not None
    assert found.fix.message.startswith("none is installed")


def test_a_setting_is_told_with_the_plugin_that_has_it() -> None:
    (found,) = told('notify chat { url = secret("U"), chanel = "#x" }')
    assert "settings of notifier `chat` come from tide-chat 2.0" in found.notes


# --- templates: what they may use --------------------------------------------------------------

HEAD = 'param version: string = "x"\nlet team = "core"'


@pytest.mark.parametrize(
    "message",
    [
        '"{{ run.pipeline }} #{{ run.number }} is {{ run.state }}: {{ event.detail }}"',
        '"{{ version }} {{ team }}"',
        '"{{ version | upper }} {{ version | replace("x", "y") }} {{ join([1], ",") }}"',
        '"{{ run["state"] }}"',
        '"no template at all"',
        '""',
        r'"\{{ not a template }} {{ run.id }}"',
        'r"{% for c in version if c != team %}{{ loop.index }}{{ c }}{% else %}-{% endfor %}"',
        'r"{% set a, b = 1, 2 %}{{ a }}{{ b }}{% with c = a %}{{ c }}{% endwith %}"',
        'r"{% set ns = namespace(n=0) %}{% set ns.n = 1 %}{{ ns.n }}"',
        'r"{% if event.step is defined and version is string %}{{ event.step }}{% endif %}"',
        'r"{% filter upper %}{{ event.kind }}{% endfilter %}{# {{ nothing }} #}"',
        "r\"{% raw %}{{ nothing }}{% endraw %}{{ version | default('x') | truncate(9) }}\"",
        'r"{% set x %}{{ version }}{% endset %}{{ x }}"',
        'r"{% if version %}{% set y = 1 %}{% endif %}{{ y }}"',
    ],
)
def test_what_a_template_may_use(message: str) -> None:
    assert [d for d in told(chat(message, HEAD)) if not d.code.startswith("W")] == []


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('"{{ run.nmber }}"', [("T509", 1, 9, "nmber")]),
        ('"{{ run["nmber"] }}"', [("T509", 1, 10, "nmber")]),
        ('"{{ event.stp }} {{ event.step }}"', [("T509", 1, 11, "stp")]),
        ('"{{ versoin }}"', [("T508", 1, 5, "versoin")]),
        ('"{{ x }} {{ x }}"', [("T508", 1, 5, "x"), ("T508", 1, 13, "x")]),
        ('"{{ build.out }}"', [("T508", 1, 5, "build")]),
        ('"{{ version | uper }}"', [("T510", 1, 15, "uper")]),
        ('r"{{ version is strng }}"', [("T510", 1, 17, "strng")]),
        ('"{{ version | replace("a") }}"', [("T512", 1, 15, "replace")]),
        ('"{{ join([1]) }}"', [("T512", 1, 5, "join")]),
        ('"{{ secret("X") }}"', [("T620", 1, 5, "secret")]),
        ('"{{ token }}"', [("T620", 1, 5, "token")]),
        ('r"{% for x in y %}{{ x }}{% endfor %}{{ x }}"',
         [("T508", 1, 15, "y"), ("T508", 1, 41, "x")]),
        ('r"{% for x in [1] %}{{ loop.idx }}{% endfor %}"', [("T509", 1, 29, "idx")]),
        ('r"{{ loop.index }}"', [("T508", 1, 6, "loop")]),
        ('r"{% for x in [1] if loop.first %}{{ x }}{% endfor %}"', [("T508", 1, 22, "loop")]),
        ('r"a {% include \'x\' %}"', [("T511", 1, 8, "i")]),
        ('r"{% extends \'x\' %}"', [("T511", 1, 6, "e")]),
        ('r"{% import \'x\' as y %}"', [("T511", 1, 6, "i")]),
        ('r"{% macro m() %}{% endmacro %}"', [("T511", 1, 6, "m")]),
        ('r"{% block m %}{% endblock %}"', [("T511", 1, 6, "b")]),
        ('r"{{ version "', [("T507", 1, 6, "v")]),
        ('r"{{ ? }}"', [("T507", 1, 6, "?")]),
        ('r"{{ 1 ) }}"', [("T507", 1, 8, ")")]),
        ('r"{{ a b }}"', [("T507", 1, 8, "b")]),
        ('r"{% fro x in y %}"', [("T507", 1, 6, "f")]),
        ('team', [("T506", 1, 1, "team")]),
        ('"a" + "b"', [("T506", 1, 1, '"a" + "b"')]),
    ],
)  # fmt: skip
def test_a_mistake_in_a_template_is_told_at_its_place(
    message: str, expected: list[tuple[str, int, int, str]]
) -> None:
    head = HEAD + '\nlet token = secret("T")'
    assert [each for each in mistakes(message, head) if each[0][0] != "W"] == expected


@pytest.mark.parametrize(
    ("message", "line", "column"),
    [
        (r'"tab\tquote\" \u{1F600} {{ nix }}"', 1, 28),
        (r'"\{{ x }} and {{ nix }}"', 1, 18),
        ('"""\n    first\n      second {{ nix }}\n    """', 3, 17),
        ('"""\n    {{ run.id }}\n\n    {{ run.id }} {{ nix }}\n    """', 4, 21),
        ('r"""\n      {%- if run.id -%}\n        a  {{- nix }}\n      {% endif %}\n    """', 3, 16),
        ('"""  x {{ nix }}"""', 1, 11),
        ('"""\n    \\{{ x }}\n    \\d {{ nix }}\n    """', 3, 11),
        ('r"{# {{ nix }} #}\t{{ nix }}"', 1, 22),
    ],
)
def test_places_are_exact_behind_escapes_and_indentation(
    message: str, line: int, column: int
) -> None:
    assert mistakes(message) == [("T508", line, column, "nix")]


def test_the_place_is_exact_with_the_line_ends_of_windows() -> None:
    text = (
        "pipeline p {\n" + chat('"""\n  a\n  b {{ nix }}\n"""') + '\nstep a { run = "true" }\n}\n'
    )
    found = compile_source(Source("a.tide", text.replace("\n", "\r\n")), _Plugins()).diagnostics
    assert [(d.code, d.span.text, d.span.first.line) for d in found] == [("T508", "nix", 7)]


def test_what_was_meant_is_suggested() -> None:
    found = told(chat('"{{ versoin }}{{ run.nmber }}{{ version | uper }}"', HEAD))
    assert [d.fix.replacement for d in found if d.fix and d.code[0] == "T"] == [
        "version", "number", "upper",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("r'{{ version '", "the template ends too early"),
        ("r'{{ a b }}'", "`}}` is expected here, not `b`"),
        ("r'{{ ? }}'", "means nothing in a template"),
        ("r'{% for x in [1] %}'", "`{% for %}` is not closed"),
        ("r'{% fro %}'", "there is no tag `fro`"),
        ("r'{# x'", "a comment is not closed"),
        ("r'{{ [1 }}'", "unexpected `}`, expected `]`"),
    ],
)
def test_jinjas_words_are_put_plainly(message: str, words: str) -> None:
    (found,) = told(chat(message.replace("'", '"')))
    assert found.code == "T507"
    assert words in found.message


def test_a_template_uses_params_and_lets() -> None:
    head = 'param version: string = "x"\nlet team = "{{ version }}!"\nlet idle = 1'
    result = compiled(chat('"{{ team }}"', head))
    assert [(d.code, d.span.text) for d in result.diagnostics] == [("W101", "idle")]
    assert [let.name for let in result.definitions[0].lets] == ["team"]


def test_braces_that_are_escaped_stay_braces() -> None:
    found = dict(notification(chat(r'"\{{ x }} {{ run.state }}"')).settings)["message"]
    rendered = jinja.environment().from_string(found[1]).render(run={"state": "ok"})
    assert rendered == "{{ x }} ok"


def test_the_sandbox_lets_nothing_out() -> None:
    environment = jinja.environment()
    with pytest.raises(Exception, match="unsafe"):
        environment.from_string("{{ ''.__class__.__mro__ }}").render()
    assert environment.from_string("{{ [2, 1] | sorted | join('-') }}").render() == "1-2"


@pytest.mark.parametrize("text", ["{{ a" + "+a" * 20_000 + " }}", "{{ " + "(" * 5_000, "{%" * 999])
def test_a_hostile_template_is_refused_in_time(text: str) -> None:
    found = {d.code for d in told(chat(f'r"{text}"', "let a = 1"))}
    assert "T507" in found


def test_jinja_is_imported_only_where_a_template_is_used() -> None:
    program = """
import json, sys
from tidelang.compiler import NoPlugins, compile_source
from tidelang.source import Source
compile_source(Source("a.tide", 'pipeline p { step a { run = "{{ run.id }}" } }'), NoPlugins())
print(json.dumps("jinja2" in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert json.loads(done.stdout) is False
