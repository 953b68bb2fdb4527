"""Binding parameters."""

from __future__ import annotations

import pytest

from tidelang.definition import Definition, Expr, Param, Type
from tidelang.params import ParamError, bind
from tidelang.values import Duration, Value

RELEASE = Definition(
    "release",
    params=(
        Param("version", Type("string"), ("lit", "dev")),
        Param("jobs", Type("int", low=1, high=16)),
        Param("wait", Type("duration"), ("dur", 1_000)),
    ),
)


def constant(expr: Expr) -> Value:
    return Duration(expr[1]) if expr[0] == "dur" else expr[1]


def test_texts_become_values_and_defaults_fill_in() -> None:
    bound = bind(RELEASE, {"jobs": "4"}, constant)
    assert bound == {"version": "dev", "jobs": 4, "wait": Duration(1_000)}
    assert list(bound) == ["version", "jobs", "wait"]
    assert bind(RELEASE, {"jobs": "1", "version": ""}, constant)["version"] == ""


def test_all_mistakes_are_told_at_once_with_what_exists() -> None:
    with pytest.raises(ParamError) as caught:
        bind(RELEASE, {"versoin": "1", "wait": "soon", "zzz": ""}, constant)
    assert caught.value.problems == (
        (
            "pipeline release has no param 'versoin' (did you mean version?); "
            "it has version, jobs, wait"
        ),
        "pipeline release has no param 'zzz'; it has version, jobs, wait",
        "param jobs: a value is needed, a whole number from 1 to 16: give it as -p jobs=…",
        'param wait: expected a duration such as 90s or 1h30m, not "soon"',
    )


def test_a_pipeline_without_params_says_so() -> None:
    with pytest.raises(ParamError, match="it takes none"):
        bind(Definition("hello"), {"x": "1"}, constant)
