"""Settings of steps and pipelines: laid over each other, checked, and words of others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidelang import blocks, codec
from tidelang.checking import foreign
from tidelang.compiler import Compilation, NoPlugins, compile_source
from tidelang.definition import Deadline, Definition
from tidelang.source import Source


def _compiled(body: str) -> Compilation:
    return compile_source(Source("t.tide", f"pipeline p {{\n{body}\n}}\n"), NoPlugins())


def _definition(body: str) -> Definition:
    result = _compiled(body)
    assert result.ok, [(d.code, d.message) for d in result.diagnostics]
    return result.definitions[0]


def _found(body: str) -> list[tuple[str, str]]:
    return [(d.code, d.span.text) for d in _compiled(body).diagnostics]


# --- laid over each other ----------------------------------------------------------------

_EACH = {
    "priority": ["priority = low", "priority = critical"],
    "pool": ["pool = gpu", 'pool = "batch"'],
    "regions": ['regions = prefer("eu", "us")', 'regions = prefer("us")'],
    "deadline": ["deadline = 5m", "deadline = 10m"],
    "on_deadline": ["on_deadline = cancel", "on_deadline = escalate"],
    "timeout": ["timeout = 1m", "timeout = 2m"],
    "workdir": ['workdir = "x"', 'workdir = "y"'],
    "idempotent": ["idempotent = true", "idempotent = false"],
    "env.A": ["env { A = 1 }", "env { A = 2 }"],
    "env.B": ["env { B = 1 }", "env { B = 2 }"],
    "resources.cpu": ["resources { cpu = 1 }", "resources { cpu = 0.5 }"],
    "resources.memory": ["resources { memory = 1GiB }", "resources { memory = 1MB }"],
    "labels.arch": ['labels { arch = "arm64" }', 'labels { arch = "x86" }'],
    "labels.os": ['labels { os = "linux" }', 'labels { os = "bsd" }'],
    "retry.attempts": ["retry { attempts = 2 }", "retry { attempts = 3 }"],
    "retry.max": ["retry { max = 1s }", "retry { max = 2s }"],
    "cache.max_age": ["cache { max_age = 1d }", "cache { max_age = 2d }"],
}
_CHOSEN = st.dictionaries(st.sampled_from(list(_EACH)), st.integers(0, 1))


def _written(chosen: dict[str, int]) -> str:
    """The chosen settings, those of one block in one."""
    members: dict[str, list[str]] = {}
    for name, which in chosen.items():
        block, _, member = name.partition(".")
        text = _EACH[name][which]
        inside = text[text.index("{") + 1 : -1].strip() if member else text
        members.setdefault(block, []).append(inside)
    return "\n".join(
        f"{name} {{ {', '.join(each)} }}" if f"{name} {{" in _EACH_TEXT else each[0]
        for name, each in members.items()
    )


_EACH_TEXT = " ".join(text for each in _EACH.values() for text in each)


@given(_CHOSEN, _CHOSEN)
def test_defaults_laid_under_a_step_are_the_step_written_out(
    under: dict[str, int], own: dict[str, int]
) -> None:
    both = under | own
    if both.get("idempotent") == 1 and "cache.max_age" not in own:
        both.pop("cache.max_age", None)  # no cache is laid under a step with an effect
    laid = _definition(
        f'defaults {{\n{_written(under)}\n}}\nstep a {{ run = "x"\n{_written(own)}\n}}'
    )
    out = _definition(f'step a {{ run = "x"\n{_written(both)}\n}}')
    assert codec.encode(laid) == codec.encode(out)


def test_settings_at_their_defaults_do_not_reach_the_definition() -> None:
    plain = _definition('step a { run = "x" }')
    said = _definition(
        'step a { run = "x", priority = normal, pool = default, resources, labels, '
        "on_deadline = notify }"
    )
    assert codec.digest(said) == codec.digest(plain)


def test_a_pool_may_be_a_word_a_string_or_a_let() -> None:
    steps = _definition(
        'let fast = "gpu-2"\nstep gpu { run = "x", pool = gpu }\n'
        'step b { run = "x", pool = "gpu" }\nstep c { run = "x", pool = fast }'
    ).steps
    assert [step.pool for step in steps] == ["gpu", "gpu", "gpu-2"]


def test_a_deadline_of_defaults_takes_what_the_step_says_of_it() -> None:
    (step,) = _definition(
        "defaults { deadline = 5m, on_deadline = cancel }\n"
        'step a { run = "x", on_deadline = escalate }'
    ).steps
    assert step.deadline == Deadline(300_000, "escalate")


def test_the_same_amount_is_the_same_definition() -> None:
    one = _definition('step a { run = "x", resources { cpu = 1, memory = 1024KiB } }')
    other = _definition('step a { run = "x", resources { memory = 1MiB, cpu = 1.0 } }')
    assert codec.encode(one) == codec.encode(other)


# --- mistakes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("priority = urgent", [("T205", "urgent")]),
        ("priority = 1", [("T201", "1")]),
        ('pool = ""', [("T221", '""')]),
        ("pool = 3", [("T201", "3")]),
        ("resources { cpu = -1 }", [("T206", "-1")]),
        ("resources { gpu = 1.5 }", [("T201", "1.5")]),
        ("resources { memory = 512 }", [("T201", "512")]),
        ("resources { mem = 1GiB }", [("T108", "mem")]),
        ("resources { fpga = 1MiB }", [("T201", "1MiB")]),
        ("resources { fpga = -1 }", [("T206", "-1")]),
        ("resources big { cpu = 1 }", [("T113", "big")]),
        ("resources = { cpu = 1 }", [("T112", "resources")]),
        ("labels { arch = [1] }", [("T201", "[1]")]),
        ('labels { a = "x", a = "y" }', [("T104", "a")]),
        ("regions = prefer()", [("T203", "prefer()")]),
        ('regions = prefer(first = "eu")', [("T203", 'first = "eu"')]),
        ('regions = prefr("eu")', [("T201", "prefr")]),
        ('regions = "eu"', [("T201", '"eu"')]),
        ("regions = prefer(eu)", [("T101", "eu")]),
        ("regions = prefer(1)", [("T201", "1")]),
        ("deadline = 0s", [("T206", "0s")]),
        ("deadline = 5", [("T201", "5")]),
        ("deadline = 5m, on_deadline = stop", [("T205", "stop")]),
        ("on_deadline = cancel", [("W309", "on_deadline")]),
        ('env { A = prefer("eu") }', [("T220", 'prefer("eu")')]),
    ],
)
def test_a_wrong_setting_is_told_once_at_its_place(
    setting: str, found: list[tuple[str, str]]
) -> None:
    assert _found(f'step a {{ run = "x"\n{setting}\n}}') == found
    if not setting.startswith("on_deadline"):
        assert _found(f'defaults {{ {setting} }}\nstep a {{ run = "x" }}') == found


def test_a_list_of_regions_becomes_a_preference() -> None:
    (told,) = _compiled('step a { run = "x", regions = ["eu", "us"] }').diagnostics
    assert told.fix is not None
    assert told.fix.replacement == 'prefer("eu", "us")'


@pytest.mark.parametrize("setting", ["concurrency = 0", "concurrency = 1.5", "deadline = 0s"])
def test_a_pipeline_has_bounds_too(setting: str) -> None:
    (told,) = _found(f'{setting}\nstep a {{ run = "x" }}')
    assert told[0] in ("T201", "T206")


# --- words of other systems --------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("depends_on", "needs = [build]"),
        ("image", 'executor docker { image = "…" }'),
        ("environment", 'env { NAME = "…" }'),
        ("retries", "retry { attempts = 3 }"),
        ("script", 'run = "…"'),
        ("matrix", "step name for x in [1, 2] { … }"),
        ("artifacts", 'output name: file = "dist/*.whl"'),
        ("timeout_minutes", "timeout = 10m"),
        ("continue_on_error", "allow_failure = true"),
    ],
)
def test_a_word_of_another_system_is_told_in_tide(word: str, meant: str) -> None:
    for written in (f"{word} = 1", f"{word} {{ }}"):
        (told,) = _compiled(f'step a {{ run = "x"\n{written}\n}}').diagnostics
        assert (told.code, told.span.text) == ("T108", word)
        assert told.fix is not None
        assert told.fix.message == f"in Tide this is written `{meant}`"


def test_a_word_of_another_system_is_told_in_a_pipeline() -> None:
    (told,) = _compiled('cron = "0 2 * * *"\nstep a { run = "x" }').diagnostics
    assert told.fix is not None
    assert "schedule" in told.fix.message


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("timeout-minutes = 10", "timeout = 10m"),
        ("continue-on-error = true", "allow_failure = true"),
        ("if = true", "when"),
    ],
)
def test_a_word_that_is_no_name_in_tide_is_told_once(written: str, meant: str) -> None:
    (told,) = _compiled(f'step a {{ run = "x"\n{written}\n}}').diagnostics
    assert told.fix is not None
    assert meant in told.fix.message


def test_no_word_of_another_system_is_one_of_tide_in_the_same_place() -> None:
    for schema in (blocks.STEP, blocks.TASK, blocks.DEFAULTS, blocks.PIPELINE, blocks.SCHEDULE):
        taken = {*schema.names, *schema.declarations}
        assert not [word for word in taken if foreign.in_tide(word, schema.title)]
