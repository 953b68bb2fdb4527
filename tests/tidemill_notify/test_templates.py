"""The messages that are shipped: they compile, say what is to be said, and harm nobody."""

from __future__ import annotations

import pytest
from notices import kind

from tidelang import jinja
from tidelang.blocks import EVENTS
from tidelang.compiler import compile_source
from tidelang.source import Source
from tidemill.compile import InstalledPlugins
from tidemill_notify import templates

REQUIRED = {
    "slack": 'url = secret("URL")',
    "webhook": 'url = secret("URL")',
    "email": 'host = "mail"\nsender = "ci@example.com"\nto = ["ops@example.com"]',
    "apprise": 'urls = [secret("URL")]',
}
DEFAULTS = [
    (name, key, field.default)
    for name in REQUIRED
    for key, field in kind(name).settings.model_fields.items()
    if key in ("message", "subject", "title")
]
RUN = {
    "id": "01J", "number": 12, "pipeline": "release", "due": None, "started": None,
    "trigger": "", "state": "failed", "attempt": 1,
}  # fmt: skip


def rendered(template: str, kind: str = "failed", step: str = "", detail: str = "") -> str:
    event = {"kind": kind, "step": step, "detail": detail}
    return jinja.environment().from_string(template).render(run=RUN, event=event)


def compiled(settings: str, name: str, required: str | None = None) -> list[str]:
    head = REQUIRED[name] if required is None else required
    block = f"notify {name} {{\n{head}\n{settings}\n}}"
    text = f'pipeline p {{\nstep build {{ run = "make" }}\n{block}\n}}\n'
    result = compile_source(Source("a.tide", text), InstalledPlugins())
    return [f"{each.code} {each.message}" for each in result.diagnostics]


@pytest.mark.parametrize(("name", "key", "template"), DEFAULTS)
def test_a_default_could_stand_in_a_file(name: str, key: str, template: str) -> None:
    assert compiled(f'{key} = r"""\n{template}\n"""', name) == []


@pytest.mark.parametrize(("key", "template"), [default[1:] for default in DEFAULTS])
@pytest.mark.parametrize("event", [*EVENTS, "test", "one_of_the_future"])
def test_a_default_says_what_has_happened_to_what(key: str, template: str, event: str) -> None:
    text = rendered(template, event, "test", "exit status 1")
    assert "release #12" in text
    assert "test" in text
    assert key in ("subject", "title") or "exit status 1" in text


def test_the_subject_is_one_sentence() -> None:
    assert rendered(templates.SUBJECT) == "release #12 failed"
    assert rendered(templates.SUBJECT, "recovered") == "release #12 works again"
    missed = rendered(templates.SUBJECT, "deadline_missed", "load")
    assert missed == "release #12 has missed its deadline (step load)"


def test_the_letter_holds_what_is_known_of_the_run() -> None:
    assert rendered(templates.LETTER, detail="exit status 1") == (
        "release #12 failed\n\nexit status 1\n\nRun:     01J, attempt 1, failed\n"
    )


def test_slack_is_told_what_a_step_said_and_takes_it_for_no_mention() -> None:
    text = rendered(templates.MRKDWN, "failed", "test", "<!channel> & <https://evil.test|here>")
    assert text == (
        ":x: *release #12* failed (step `test`)\n"
        "&lt;!channel&gt; &amp; &lt;https://evil.test|here&gt;"
    )


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("slack", 'url = "https://x.test"'),
        ("webhook", 'url = "https://x.test"'),
        ("webhook", f'{REQUIRED["webhook"]}\nsecret = "whsec_x"'),
        ("webhook", f'{REQUIRED["webhook"]}\nsecret_headers = {{ Authorization = "x" }}'),
        ("email", f'{REQUIRED["email"]}\nuser = "ci"\npassword = "x"'),
        ("apprise", 'urls = ["json://x.test"]'),
    ],
)
def test_a_secret_cannot_be_written_into_a_file(name: str, block: str) -> None:
    assert [each[:4] for each in compiled(block, name, required="")] == ["T618"]


def test_headers_may_be_secrets() -> None:
    headers = 'headers = { "X-Team" = "core" }\nsecret_headers = { Authorization = secret("T") }'
    assert compiled(headers, "webhook") == []


def test_a_password_without_tls_is_refused_when_the_file_is_checked() -> None:
    told = compiled('user = "ci"\npassword = secret("P")\ntls = "none"', "email")
    assert told == [
        "T505 notifier `email` refuses `tls`: without TLS anyone on the way could read the password"
    ]
