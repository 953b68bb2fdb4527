"""Every form of expression but operators, calls and strings: names, members, lists, …"""

from __future__ import annotations

from tidelang.checking.context import CHECKS, UNKNOWN, Context, Typed
from tidelang.checking.members import event_field, event_itself, imported, no_value
from tidelang.checking.secrets import CONDITION, HELD, INSIDE, either
from tidelang.checking.words import noun, twice
from tidelang.definition import Expr, Type
from tidelang.diagnostics import Fix
from tidelang.scope import RUN_FIELDS, Symbol
from tidelang.source import Span
from tidelang.suggest import listed, nearest
from tidelang.syntax import (
    Broken,
    Comprehension,
    Conditional,
    DurationLiteral,
    Entry,
    Expression,
    Index,
    ListExpression,
    Literal,
    Member,
    Name,
    ObjectExpression,
    SizeLiteral,
)
from tidelang.types import (
    ANY,
    BOOL,
    DURATION,
    FLOAT,
    INT,
    NULL,
    SIZE,
    STRING,
    Record,
    Tuple,
    common,
    inner,
    list_of,
    record_of,
    tuple_of,
)

_LITERALS: dict[type, Type] = {bool: BOOL, int: INT, float: FLOAT, type(None): NULL}
_TUPLE_LENGTH = 16
_ALIASES = {
    "True": "true", "False": "false", "None": "null", "yes": "true", "no": "false",
    "on": "true", "off": "false", "nil": "null",
}  # fmt: skip


def _literal(_: Context, node: Literal) -> Typed:
    return _LITERALS[type(node.value)], ("lit", node.value)


def _duration(_: Context, node: DurationLiteral) -> Typed:
    return DURATION, ("dur", node.milliseconds)


def _size(_: Context, node: SizeLiteral) -> Typed:
    return SIZE, ("size", node.bytes)


def _broken(_: Context, node: Broken) -> Typed:  # noqa: ARG001  the table's signature
    return UNKNOWN


# --- names -------------------------------------------------------------------------


def _name(ctx: Context, node: Name) -> Typed:
    symbol = ctx.scope.find(node.id)
    if symbol is None and node.id == "event":
        return event_itself(ctx, node)
    if symbol is None:
        return _no_value(ctx, node) if node.id == "run" else unknown_name(ctx, node)
    if symbol.kind == "step":
        return _bare_step(ctx, node, symbol)
    symbol.used = True
    if symbol.kind in ("import", "task"):
        return no_value(ctx, node, symbol)
    if symbol.kind == "let":
        ctx.lets[symbol.name] = None
    return (symbol.type, symbol.expr) if symbol.expr else UNKNOWN


def unknown_name(ctx: Context, node: Name) -> Typed:
    """Says that there is no such name, and what may have been meant."""
    if ctx.report.may_be_unread(node.id):
        return UNKNOWN
    near = _ALIASES.get(node.id) or ctx.scope.nearest(node.id)
    fix = Fix(f"did you mean `{near}`?", node.span, near) if near else _existing(ctx)
    message = f"there is no name `{node.id}` here"
    ctx.report.add("T101", message, node.span, "not declared", fix)
    return UNKNOWN


def _existing(ctx: Context) -> Fix:
    names = ctx.scope.visible()
    if not names:
        return Fix("nothing is declared here: put quotes around it to have a string")
    return Fix(f"in scope are {listed(names)}; a string needs quotes")


def _no_value(ctx: Context, node: Name) -> Typed:
    fix = Fix(f"take one of its fields: {listed('run.' + name for name in RUN_FIELDS)}")
    ctx.report.add("T207", "`run` is no value by itself", node.span, "which field?", fix)
    return UNKNOWN


def _bare_step(ctx: Context, node: Name, symbol: Symbol) -> Typed:
    outputs = [f"{symbol.name}.{output}" for output in symbol.outputs]
    fix = Fix(f"take one of its outputs: {listed(outputs)}") if outputs else None
    if fix is None:
        fix = Fix(f"to run after it, write `needs = [{symbol.name}]`; it has no outputs")
    message = f"step `{symbol.name}` is no value by itself"
    ctx.report.add("T207", message, node.span, "a step", fix)
    return UNKNOWN


# --- members -------------------------------------------------------------------------


def _member(ctx: Context, node: Member) -> Typed:
    if isinstance(node.value, Name):
        symbol = ctx.scope.find(node.value.id)
        if symbol is None and node.value.id == "run":
            return _run_field(ctx, node)
        if symbol is None and node.value.id == "event":
            return event_field(ctx, node)
        if symbol is not None and symbol.kind == "step":
            return _output(ctx, node, symbol)
        if symbol is not None and symbol.kind == "import":
            return imported(ctx, node, symbol)
    return _get(ctx, node, *ctx.check(node.value, INSIDE))


def _run_field(ctx: Context, node: Member) -> Typed:
    if not ctx.place.run:
        message = f"`run.{node.name}` is not known in {ctx.place.title}"
        fix = Fix("use it in the step itself; here only params, lets and functions can be used")
        ctx.report.add("T109", message, node.span, "known only when a run is there", fix)
        return UNKNOWN
    type = RUN_FIELDS.get(node.name)  # noqa: A001
    if type is None:
        return _no_member(ctx, node, "`run`", tuple(RUN_FIELDS))
    return type, ("ref", "run", node.name)


def _output(ctx: Context, node: Member, symbol: Symbol) -> Typed:
    symbol.used = True
    if symbol.name == ctx.step:
        message = f"step `{symbol.name}` uses an output of its own"
        ctx.report.add("T303", message, node.span, "it is known only when the step has ended")
        return UNKNOWN
    if not ctx.place.steps:
        message = f"an output of a step cannot be used in {ctx.place.title}"
        fix = Fix(f"use `{symbol.name}.{node.name}` in the step that wants it")
        ctx.report.add("T109", message, node.span, "known only while a run is going on", fix)
        return UNKNOWN
    ctx.uses.setdefault(symbol.name, node.value.span)
    type = symbol.outputs.get(node.name)  # noqa: A001
    if type is not None:
        return type, ("get", ("ref", "step", symbol.name), node.name)
    if symbol.open or ctx.report.may_be_unread(node.name):
        return UNKNOWN
    return _no_output(ctx, node, symbol)


def _no_output(ctx: Context, node: Member, symbol: Symbol) -> Typed:
    near = nearest(node.name, symbol.outputs)
    if near:
        fix = Fix(f"did you mean `{near}`?", node.name_span, near)
    elif symbol.outputs:
        fix = Fix(f"its outputs are {listed(symbol.outputs)}")
    else:
        fix = Fix(f"declare it in `{symbol.name}`: `output {node.name}: string`")
    message = f"step `{symbol.name}` has no output `{node.name}`"
    ctx.report.add("T106", message, node.name_span, "not an output", fix)
    return UNKNOWN


def _no_member(ctx: Context, node: Member, owner: str, known: tuple[str, ...]) -> Typed:
    near = nearest(node.name, known)
    fix = Fix(f"it has {listed(known)}") if known else None
    if near:
        fix = Fix(f"did you mean `{near}`?", node.name_span, near)
    message = f"{owner} has no member `{node.name}`"
    ctx.report.add("T107", message, node.name_span, "not there", fix)
    return UNKNOWN


def _get(ctx: Context, node: Member, owner: Type, expr: Expr) -> Typed:
    if isinstance(owner, Record):
        for key, type in owner.fields:  # noqa: A001
            if key == node.name:
                return type, ("get", expr, node.name)
        return _no_member(ctx, node, "this map", tuple(key for key, _ in owner.fields))
    if owner.name == "map":
        return inner(owner), ("get", expr, node.name)
    if owner.name == "any":
        return ANY, ("get", expr, node.name)
    message = f"{noun(owner)} has no members"
    ctx.report.add("T208", message, node.name_span, "only maps and steps have members")
    return UNKNOWN


def _index(ctx: Context, node: Index) -> Typed:
    owner, expr = ctx.check(node.value, INSIDE)
    at, index = ctx.check(node.index, INSIDE)
    if owner.name == "any" or at.name == "any":
        return ANY if owner.name == "any" else _item(owner, ()), ("at", expr, index)
    if owner.name not in ("list", "map", "string"):
        ctx.report.add("T208", f"{noun(owner)} has no items", node.value.span, noun(owner))
        return UNKNOWN
    wanted = STRING if owner.name == "map" else INT
    if at.name != wanted.name and not (wanted is STRING and at.name == "enum"):
        message = f"an item of {noun(owner)} is chosen by {noun(wanted)}, not {noun(at)}"
        ctx.report.add("T201", message, node.index.span, noun(at))
        return UNKNOWN
    return _item(owner, index), ("at", expr, index)


def _item(owner: Type, index: Expr) -> Type:
    if owner.name == "string":
        return STRING
    if isinstance(owner, Tuple) and index and index[0] == "lit":
        at = index[1]
        if isinstance(at, int) and -len(owner.items) <= at < len(owner.items):
            return owner.items[at]
    if isinstance(owner, Record) and index and index[0] == "lit":
        return dict(owner.fields).get(index[1], ANY)
    return inner(owner)


# --- what holds values ---------------------------------------------------------------


def _list(ctx: Context, node: ListExpression) -> Typed:
    checked = [ctx.check(item, HELD) for item in node.items]
    return list_type([found[0] for found in checked]), ("list", tuple(expr for _, expr in checked))


def list_type(members: list[Type]) -> Type:
    """Of a list with these items."""
    if not members:
        return list_of(ANY)
    if len(members) <= _TUPLE_LENGTH and any(member != members[0] for member in members):
        return tuple_of(members)
    return list_of(common(members))


def _object(ctx: Context, node: ObjectExpression) -> Typed:
    checked = {}
    for entry in object_entries(ctx, node):
        checked[entry.key] = ctx.check(entry.value, HELD)
    fields = [(key, found[0]) for key, found in checked.items()]
    return record_of(fields), ("obj", tuple((key, checked[key][1]) for key in sorted(checked)))


def object_entries(ctx: Context, node: ObjectExpression) -> list[Entry]:
    """The entries, each key once; a second one is reported."""
    first: dict[str, Entry] = {}
    for entry in node.entries:
        known = first.setdefault(entry.key, entry)
        if known is not entry:
            twice(ctx.report, entry.key, entry.key_span, known.key_span)
    return list(first.values())


def _conditional(ctx: Context, node: Conditional) -> Typed:
    condition = condition_of(ctx, node.condition)
    then, one = ctx.check_open(node.then)
    otherwise, other = ctx.check_open(node.otherwise)
    if "secret" in (then.name, otherwise.name):
        return either(ctx.report, node, then, otherwise), ("if", condition, one, other)
    return common((then, otherwise)), ("if", condition, one, other)


def condition_of(ctx: Context, node: Expression) -> Expr:
    """An expression that must be true or false."""
    type, expr = ctx.check(node, CONDITION)  # noqa: A001
    if type.name not in ("bool", "any"):
        message = f"a condition must be true or false, not {noun(type)}"
        ctx.report.add("T201", message, node.span, noun(type), _as_condition(node, type))
    return expr


def _as_condition(node: Expression, type: Type) -> Fix | None:  # noqa: A002
    text = node.span.text
    if type.name in ("string", "enum"):
        return Fix("compare it", node.span, f'{text} != ""')
    if type.name in ("list", "map"):
        return Fix("ask whether it has items", node.span, f"len({text}) > 0")
    return Fix("compare it", node.span, f"{text} != 0") if type.name in ("int", "float") else None


def _comprehension(ctx: Context, node: Comprehension) -> Typed:
    item, iterable = iterable_of(ctx, node.iterable)
    types = unpacked(ctx, item, node.targets)
    with ctx.scope.loop(zip(node.targets, types, strict=True)):
        condition = condition_of(ctx, node.condition) if node.condition else None
        element, expr = ctx.check(node.element, HELD)
    names = tuple(target.id + ctx.scope.prime for target in node.targets)
    return list_of(element), ("each", expr, names, iterable, condition)


def iterable_of(ctx: Context, node: Expression) -> Typed:
    """The items' type of an expression that must be a list."""
    type, expr = ctx.check(node, INSIDE)  # noqa: A001
    if type.name == "list":
        return inner(type), expr
    if type.name != "any":
        fix = Fix("go through its keys", node.span, f"keys({node.span.text})")
        message = f"only a list can be gone through, not {noun(type)}"
        ctx.report.add("T215", message, node.span, noun(type), fix if type.name == "map" else None)
        return UNKNOWN
    return ANY, expr


def unpacked(ctx: Context, item: Type, targets: tuple[Name, ...]) -> list[Type]:
    """The types of a loop's variables."""
    if len(targets) == 1:
        return [item]
    if isinstance(item, Tuple):
        if len(item.items) == len(targets):
            return list(item.items)
        message = f"each item has {len(item.items)} values, but there are {len(targets)} names"
        ctx.report.add("T216", message, _all(targets), "one name for each value")
    elif item.name not in ("list", "any"):
        message = f"an item is {noun(item)}: it cannot be taken apart into {len(targets)} names"
        fix = Fix("use one name, or `product(…)` or `zip(…)` to go through several lists")
        ctx.report.add("T216", message, _all(targets), "more than one name", fix)
    return [inner(item) if item.name == "list" else ANY] * len(targets)


def _all(targets: tuple[Name, ...]) -> Span:
    return targets[0].span.to(targets[-1].span)


CHECKS |= {
    Literal: _literal,
    DurationLiteral: _duration,
    SizeLiteral: _size,
    Broken: _broken,
    Name: _name,
    Member: _member,
    Index: _index,
    ListExpression: _list,
    ObjectExpression: _object,
    Conditional: _conditional,
    Comprehension: _comprehension,
}
