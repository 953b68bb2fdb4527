"""Binding parameters: from the texts a person gave to values of the declared types.

For `-p name=value`, and for what a schedule or a request brings as text. All mistakes are
told at once, so that nobody has to try again for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches

from tidelang.definition import Definition, Expr, Param
from tidelang.values import Value, describe, parse_text


class ParamError(ValueError):
    """The given parameters do not fit; `problems` has a sentence for each mistake."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def bind(
    definition: Definition, given: Mapping[str, str], constant: Callable[[Expr], Value]
) -> dict[str, Value]:
    """The value of every parameter, in the order of their declaration.

    `constant` works out a default, which may use no names. ParamError tells every
    unknown, missing and ill-typed parameter."""
    known = {param.name: param for param in definition.params}
    problems = [_unknown(name, definition) for name in given if name not in known]
    values: dict[str, Value] = {}
    for name, param in known.items():
        try:
            values[name] = _value(param, given, constant)
        except ValueError as error:
            problems.append(f"param {name}: {error}")
    if problems:
        raise ParamError(tuple(problems))
    return values


def _value(param: Param, given: Mapping[str, str], constant: Callable[[Expr], Value]) -> Value:
    if param.name in given:
        return parse_text(given[param.name], param.type)
    if param.default is None:
        raise ValueError(f"a value is needed, {describe(param.type)}: give it as -p {param.name}=…")
    return constant(param.default)


def _unknown(name: str, definition: Definition) -> str:
    names = [param.name for param in definition.params]
    return f"pipeline {definition.name} has no param {name!r}{nearest(name, names)}; " + (
        f"it has {', '.join(names)}" if names else "it takes none"
    )


def nearest(name: str, names: Iterable[str]) -> str:
    """` (did you mean x?)`, or nothing where no name is near."""
    near = get_close_matches(name, list(names), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
