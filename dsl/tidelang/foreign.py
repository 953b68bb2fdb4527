"""Functions that are none of the language's own: made of Python functions by their
annotations, and called so that whatever they do is one sentence for the file's author.

Which ones there are is another module's business: see `tidelang.finding`.
"""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from tidelang import bounds
from tidelang.bounds import EvaluationError
from tidelang.definition import Type
from tidelang.functions import FILTERS, FUNCTIONS, STATES, Function
from tidelang.types import ANY, BOOL, FLOAT, INT, STRING, list_of, map_of
from tidelang.values import Value, conform

OWN = frozenset({*FUNCTIONS, *FILTERS, *STATES, "secret", "prefer", "run", "event"})
"""Names that no other function may have."""

_PLAIN: dict[Any, Type] = {
    Any: ANY, str: STRING, int: INT, float: FLOAT, bool: BOOL,
    list: list_of(ANY), dict: map_of(ANY),
}  # fmt: skip
_KINDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)

# --- made of Python functions ------------------------------------------------------------


def made(name: str, function: Callable[..., Any], doc: str, origin: str) -> Function:
    """The function as the language sees it. `origin` is the distribution that has it.

    Raises:
        TypeError: its annotations say no types of the language, and which ones.
    """
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"function {name} is a coroutine function")
    try:
        signature, hints = inspect.signature(function), typing.get_type_hints(function)
    except (TypeError, ValueError, NameError) as error:
        raise TypeError(f"the annotations of function {name} cannot be read: {error}") from None
    parameters = list(signature.parameters.values())
    takes = {each.name: _parameter(name, each, hints) for each in parameters}
    if "return" not in hints:
        raise TypeError(f"function {name} does not say by an annotation what it returns")
    gives, may_be_none = _type(hints["return"], f"what function {name} returns")
    required = [each for each in parameters if each.default is inspect.Parameter.empty]
    if parameters[: len(required)] != required:
        raise TypeError(f"function {name} needs a parameter behind one that may be left out")
    return Function(
        name,
        tuple((each, type) for each, (type, _) in takes.items()),  # noqa: A001
        ANY if may_be_none else gives,
        _Guarded(name, origin, function, takes, gives, may_be_none=may_be_none),
        doc or (inspect.getdoc(function) or "").partition("\n")[0],
        len(required),
        nullable=frozenset(each for each, (_, nullable) in takes.items() if nullable),
        origin=origin,
    )


def _parameter(
    name: str, parameter: inspect.Parameter, hints: Mapping[str, Any]
) -> tuple[Type, bool]:
    what = f"parameter {parameter.name} of function {name}"
    if parameter.kind not in _KINDS:
        raise TypeError(f"{what} cannot be given by its name: no *, ** or / is taken")
    if parameter.name not in hints:
        raise TypeError(f"{what} has no annotation")
    return _type(hints[parameter.name], what)


def _type(hint: Any, what: str) -> tuple[Type, bool]:
    """The type that an annotation means, and whether it may be None."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType) and type(None) in arguments:
        (*rest,) = (each for each in arguments if each is not type(None))
        return (_type(rest[0], what)[0] if len(rest) == 1 else _no_type(hint, what)), True
    if hint in _PLAIN:
        return _PLAIN[hint], False
    if origin is Literal and all(isinstance(each, str) for each in arguments):
        return Type("enum", members=tuple(arguments)), False
    if origin is list:
        return list_of(_member(arguments[0], what)), False
    if origin is dict and arguments[0] is str:
        return map_of(_member(arguments[1], what)), False
    return _no_type(hint, what), False


def _member(hint: Any, what: str) -> Type:
    found, may_be_none = _type(hint, what)
    return ANY if may_be_none else found


def _no_type(hint: Any, what: str) -> Type:
    shown = hint.__name__ if isinstance(hint, type) else str(hint)
    raise TypeError(
        f"{what} is annotated as {shown}; there are str, int, float, bool, Any, Literal of "
        "texts, list[…] and dict[str, …] of these, and each of them | None"
    )


# --- called -------------------------------------------------------------------------------


class _Guarded:
    """A Python function that gets what its annotations say, gives what they say, and fails
    with one sentence."""

    __slots__ = ("_function", "_gives", "_may_be_none", "_takes", "_title")

    def __init__(
        self,
        name: str,
        origin: str,
        function: Callable[..., Any],
        takes: Mapping[str, tuple[Type, bool]],
        gives: Type,
        *,
        may_be_none: bool,
    ) -> None:
        self._title = f"`{name}` of {origin}"
        self._function = function
        self._takes = takes
        self._gives = gives
        self._may_be_none = may_be_none

    def __call__(self, *values: Value, **named: Value) -> Value:
        given = dict(zip(self._takes, values, strict=False)) | named
        arguments = {name: self._argument(name, value) for name, value in given.items()}
        try:
            result = self._function(**arguments)
        except ValueError as error:
            raise EvaluationError(f"{self._title}: {_one_line(error)}") from None
        # A stranger's code may raise anything, and must not take the process with it.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            text = f"{type(error).__name__}: {_one_line(error)}".removesuffix(": ")
            raise EvaluationError(f"{self._title} failed: {text}") from None
        return self._result(result)

    def _argument(self, name: str, value: Value) -> Value:
        wanted, may_be_none = self._takes[name]
        if value is None and may_be_none:
            return None
        try:
            return _copy(conform(value, wanted))
        except ValueError as error:
            raise EvaluationError(f"{self._title}, `{name}`: {error}") from None

    def _result(self, result: Any) -> Value:
        if result is None and self._may_be_none:
            return None
        try:
            if isinstance(result, str):
                bounds.text_length(len(result))
            weight = bounds.weigh(result, bounds.MAX_ITEMS)
            value = _plain(conform(result, self._gives)) if weight <= bounds.MAX_ITEMS else None
        except (ValueError, TypeError, RecursionError, EvaluationError) as error:
            raise EvaluationError(f"{self._title} gave something wrong: {error}") from None
        if weight > bounds.MAX_ITEMS:
            raise EvaluationError(f"{self._title} gave more than {bounds.MAX_ITEMS:,} items")
        return value


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:500]


def _copy(value: Value) -> Value:
    """Lists and maps of its own: what is handed in may be a literal of the definition."""
    if isinstance(value, list):
        return [_copy(item) for item in value]
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return value


def _plain(value: Any) -> Value:
    """Nothing but values of the language, whatever subclasses a stranger gives."""
    match value:
        case None | bool():
            return value
        case str():
            return bounds.text(str.__str__(value))
        case int():
            return bounds.whole(int(value))
        case float():
            return _plain_float(value)
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict() if all(isinstance(key, str) for key in value):
            return {str.__str__(key): _plain(item) for key, item in value.items()}
    raise TypeError(f"a value of type {type(value).__name__}")


def _plain_float(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number")
    return float(value)


def arguments_of(given: Sequence[Any], names: Sequence[str]) -> tuple[list[Any], dict[str, Any]]:
    """Those that are given by place, and the others by their names: None stands for one
    that is left out, which then has the function's own default."""
    gap = given.index(None) if None in given else len(given)
    behind = zip(names[gap:], given[gap:], strict=False)
    return [*given[:gap]], {name: each for name, each in behind if each is not None}
