"""Templates of messages are filled in apart, and none passes the bounds of that."""

from __future__ import annotations

from typing import Any

import pytest

from tidelang.values import Duration, Size
from tidemill.app.templates import ApartTemplates
from tidemill.ports import TemplateError

RUN = {"number": 7, "pipeline": "p"}


async def render(source: str, **names: Any) -> str:
    texts = await ApartTemplates().render({"message": source}, {"run": RUN, **names})
    return texts["message"]


async def test_values_of_every_type_arrive_as_they_are_in_expressions() -> None:
    names = {
        "n": 3, "x": 1.5, "yes": True, "none": None, "text": "ü\u2028'\"", "items": ["a", "b"],
        "each": {"k": [1]}, "wait": Duration(90_000), "size": Size(2048),
    }  # fmt: skip
    source = (
        "{{ n + 1 }} {{ x }} {{ yes }} {{ none }} {{ text }} {{ items | join('-') }}"
        " {{ each.k[0] }} {{ wait }} {{ size }} {% for i in items %}{{ loop.index }}{% endfor %}"
    )
    said = await render(source, **names)
    assert said == "4 1.5 True None ü\u2028'\" a-b 1 1m30s 2KiB 12"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "long"),
        ("{{ 'a' * 100000000000 }}", "memory"),
        ("{% for i in range(99999) %}aaaaaaaa{% endfor %}", "longer than 100,000 characters"),
        ("{{ range(10000000) | list }}", "10,000,000 items"),
        ("{{ run.__class__.__mro__ }}", "unsafe"),
        ("{{ ''.__class__ }}", "unsafe"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ nope }}", "nope"),
        ("{{ run.nope }}", "nope"),
        ("{{ 'a' + 1 }}", "message"),
    ],
)
async def test_a_template_that_cannot_be_filled_in_says_why(source: str, said: str) -> None:
    with pytest.raises(TemplateError, match="message") as error:
        await render(source)
    assert said in str(error.value)


async def test_nothing_of_the_environment_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_URL", "https://hook/1234")
    for source in ("{{ SLACK_URL }}", "{{ environ }}", "{{ self._TemplateReference__context }}"):
        with pytest.raises(TemplateError) as error:
            await render(source)
        assert "1234" not in str(error.value)
