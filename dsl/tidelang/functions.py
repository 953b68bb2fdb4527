"""The functions of the language: what they take, what they give, and what they do.

All are pure. A function that cannot do what it is asked raises ValueError with a plain
sentence. How calls are checked belongs to `tidelang.checking.calls`.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain
from itertools import product as _product
from typing import Any

from tidelang import arithmetic, bounds
from tidelang.definition import Type
from tidelang.types import (
    ANY,
    BOOL,
    FLOAT,
    INT,
    STRING,
    common,
    inner,
    list_of,
    tuple_of,
)
from tidelang.values import Value, parse_text, to_json, to_text

Result = Type | Callable[[Sequence[Type]], Type]

SIZED = Type("sized")
"""Takes a string, a list or a map."""
SCALAR = Type("scalar")
"""Takes what is one piece of text."""
NUMBER = Type("number")
"""Takes a number, a duration or a size."""


@dataclass(frozen=True, slots=True)
class Function:
    """`takes` are the parameters' names and types; from `required` on they may be left
    out; with `rest` the last one may be repeated. Only a `run` of None needs the
    evaluator's help (`default`, which must not fail with its first argument). `nullable` are
    parameters that may be null. One that is not the language's own says its `origin`, the
    distribution that it is from: see `tidelang.foreign`."""

    name: str
    takes: tuple[tuple[str, Type], ...]
    gives: Result
    run: Callable[..., Value] | None
    doc: str
    required: int = -1
    rest: bool = False
    nullable: frozenset[str] = frozenset()
    origin: str = ""

    @property
    def least(self) -> int:
        return len(self.takes) if self.required < 0 else self.required

    def result(self, arguments: Sequence[Type]) -> Type:
        return self.gives if isinstance(self.gives, Type) else self.gives(arguments)

    @property
    def signature(self) -> str:
        """`join(list, sep)`, for messages."""
        names = [name for name, _ in self.takes]
        shown = [n if at < self.least else f"{n}?" for at, n in enumerate(names)]
        return f"{self.name}({', '.join(shown)}{', …' if self.rest else ''})"


# --- text ------------------------------------------------------------------------


def _join(items: list[Value], sep: str) -> str:
    texts = [to_text(item) for item in items]
    bounds.text_length(sum(map(len, texts)) + len(sep) * max(0, len(texts) - 1))
    return sep.join(texts)


def _split(text: str, sep: str) -> list[Value]:
    if not sep:
        raise ValueError("the separator is empty")
    bounds.items(text.count(sep) + 1)
    return [*text.split(sep)]


def _replace(text: str, old: str, new: str) -> str:
    if not old:
        raise ValueError("the text to replace is empty")
    bounds.text_length(len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


def _json(value: Value) -> str:
    if bounds.weigh(value, bounds.MAX_ITEMS) > bounds.MAX_ITEMS:
        raise ValueError(f"the value has more than {bounds.MAX_ITEMS:,} items")
    return json.dumps(to_json(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


# --- numbers -----------------------------------------------------------------------


def _int(value: Value) -> int:
    """Of texts those that a param of this type takes: Python's `int` takes more."""
    try:
        read = parse_text(value, INT) if isinstance(value, str) else value
        return bounds.whole(int(read))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{json.dumps(to_text(value))} is no whole number") from None


def _float(value: Value) -> Value:
    try:
        read = parse_text(value, FLOAT) if isinstance(value, str) else value
        return arithmetic.number(float(read))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{json.dumps(to_text(value))} is no number") from None


def _sum(items: list[Value]) -> Value:
    total: Value = items[0] if items else 0
    for item in items[1:]:
        total = arithmetic.add(total, item)
    return total


def _extreme(name: str) -> Callable[..., Value]:
    pick: Callable[..., Any] = {"min": min, "max": max}[name]

    def run(*values: Value) -> Value:
        items = values[0] if len(values) == 1 else list(values)
        if not isinstance(items, list):
            raise ValueError("a list, or two or more values, are needed")
        if not items:
            raise ValueError("the list is empty")
        _alike(items)
        result: Value = pick(items)
        return result

    return run


def _alike(items: list[Value]) -> None:
    kinds = {"number" if type(i) in (int, float) else type(i).__name__ for i in items}
    if len(kinds) > 1 or kinds & {"list", "dict", "NoneType", "bool"}:
        raise ValueError("only strings, or only numbers, can be put in order")


# --- lists and maps ------------------------------------------------------------------


def _range(start: int, stop: int | None = None, by: int = 1) -> list[Value]:
    if by == 0:
        raise ValueError("it goes by zero")
    numbers = range(start) if stop is None else range(start, stop, by)
    bounds.items(len(numbers))
    return [*numbers]


def _times(*lists: list[Value]) -> list[Value]:
    count = 1
    for items in lists:
        count *= len(items)
    bounds.items(count * len(lists))
    return [list(combination) for combination in _product(*lists)]


def _zip(*lists: list[Value]) -> list[Value]:
    if len({len(items) for items in lists}) > 1:
        raise ValueError("the lists are of different lengths")
    return [list(row) for row in zip(*lists, strict=True)]


def _keys(mapping: dict[str, Value]) -> list[Value]:
    return [*sorted(mapping)]


def _values(mapping: dict[str, Value]) -> list[Value]:
    return [mapping[key] for key in sorted(mapping)]


def _sorted(items: list[Value]) -> list[Value]:
    _alike(items)
    in_order: list[Any] = [*items]
    return [*sorted(in_order)]


def _unique(items: list[Value]) -> list[Value]:
    seen = {(type(item).__name__, _json(item)): item for item in reversed(items)}
    return [*reversed(seen.values())]


def _flatten(lists: list[Value]) -> list[Value]:
    nested = [items for items in lists if isinstance(items, list)]
    if len(nested) != len(lists):
        raise ValueError("an item is not a list")
    bounds.items(sum(map(len, nested)))
    return [*chain.from_iterable(nested)]


# --- what they give ------------------------------------------------------------------


def _same_list(arguments: Sequence[Type]) -> Type:
    return list_of(inner(arguments[0])) if arguments else list_of(ANY)


def _member(arguments: Sequence[Type]) -> Type:
    return common(arguments) if len(arguments) > 1 else inner(arguments[0]) if arguments else ANY


def _members(arguments: Sequence[Type]) -> Type:
    return inner(arguments[0]) if arguments else ANY


def _rows(arguments: Sequence[Type]) -> Type:
    return list_of(tuple_of(map(inner, arguments)))


def _either(arguments: Sequence[Type]) -> Type:
    return common(argument for argument in arguments if argument.name != "null")


_LIST, _LISTS, _MAP = list_of(ANY), list_of(list_of(ANY)), Type("map", of=ANY)
_SCALARS = list_of(SCALAR)
_TEXT = (("text", STRING),)

FUNCTIONS: dict[str, Function] = {
    f.name: f
    for f in (
        Function("basename", (("path", STRING),), STRING, posixpath.basename,
                 "The last part of a path."),
        Function("default", (("value", ANY), ("otherwise", ANY)), _either, None,
                 "The value, or `otherwise` where it is null or missing."),
        Function("dirname", (("path", STRING),), STRING, posixpath.dirname,
                 "A path without its last part."),
        Function("ends_with", (*_TEXT, ("end", STRING)), BOOL, str.endswith,
                 "Whether the text ends so."),
        Function("flatten", (("lists", _LISTS),), _members, _flatten,
                 "The items of all the lists in one."),
        Function("float", (("value", SCALAR),), FLOAT, _float, "A number from a text."),
        Function("int", (("value", SCALAR),), INT, _int,
                 "A whole number from a text; a fraction is cut off."),
        Function("join", (("list", _SCALARS), ("sep", STRING)), STRING, _join,
                 "The items as one text with `sep` between them."),
        Function("json", (("value", ANY),), STRING, _json, "The value as compact JSON."),
        Function("keys", (("map", _MAP),), list_of(STRING), _keys, "The keys, sorted."),
        Function("len", (("value", SIZED),), INT, len,
                 "How many characters, items or keys."),
        Function("lower", _TEXT, STRING, lambda text: bounds.text(text.lower()),
                 "The text in small letters."),
        Function("matches", (*_TEXT, ("glob", STRING)), BOOL, fnmatchcase,
                 "Whether all of the text fits the pattern of `*`, `?` and `[…]`."),
        Function("max", (("values", ANY),), _member, _extreme("max"),
                 "The largest of a list, or of the arguments.", rest=True),
        Function("min", (("values", ANY),), _member, _extreme("min"),
                 "The smallest of a list, or of the arguments.", rest=True),
        Function("product", (("lists", _LIST),), _rows, _times,
                 "Every combination of one item from each list.", rest=True),
        Function("range", (("start", INT), ("stop", INT), ("by", INT)), list_of(INT), _range,
                 "Whole numbers from 0, or `start`, up to but not including `stop`.", 1),
        Function("replace", (*_TEXT, ("old", STRING), ("new", STRING)), STRING, _replace,
                 "The text with `new` in place of each `old`."),
        Function("sorted", (("list", _LIST),), _same_list, _sorted, "The items in order."),
        Function("split", (*_TEXT, ("sep", STRING)), list_of(STRING), _split,
                 "The pieces of the text between `sep`."),
        Function("starts_with", (*_TEXT, ("start", STRING)), BOOL, str.startswith,
                 "Whether the text starts so."),
        Function("string", (("value", SCALAR),), STRING, to_text, "The value as text."),
        Function("sum", (("list", list_of(NUMBER)),), _members, _sum,
                 "The items added up; 0 for an empty list."),
        Function("trim", _TEXT, STRING, str.strip, "The text without white space around it."),
        Function("unique", (("list", _LIST),), _same_list, _unique,
                 "The items without repetitions, in order of first appearance."),
        Function("upper", _TEXT, STRING, lambda text: bounds.text(text.upper()),
                 "The text in capital letters."),
        Function("values", (("map", _MAP),), _same_list, _values, "The values, by sorted key."),
        Function("zip", (("lists", _LIST),), _rows, _zip,
                 "The first items of all lists, then the second ones, and so on.", rest=True),
    )
}  # fmt: skip


FILTERS = ("sh", "raw")
"""They stand only right before the end of a hole in a script (see `tidelang.shell`)."""

STATES = ("succeeded", "failed", "skipped", "done")
"""Questions about a step, for `when`."""
