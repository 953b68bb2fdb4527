"""Calls: functions with their arguments, and questions about steps."""

from __future__ import annotations

from tidelang.checking.context import CHECKS, UNKNOWN, Context, Typed
from tidelang.checking.expect import fitted
from tidelang.checking.secrets import PASSED, named
from tidelang.checking.words import noun
from tidelang.definition import Expr, Type
from tidelang.diagnostics import Fix
from tidelang.foreign import arguments_of
from tidelang.functions import FILTERS, FUNCTIONS, STATES, Function
from tidelang.scope import Symbol
from tidelang.suggest import listed, nearest
from tidelang.syntax import Argument, Call, Name
from tidelang.types import BOOL, SECRET, TEXTUAL, fits, inner, scalar

_ALIASES = {
    "str": "string", "length": "len", "size": "len", "count": "len", "strip": "trim",
    "startswith": "starts_with", "endswith": "ends_with", "tojson": "json", "concat": "flatten",
    "sort": "sorted", "distinct": "unique", "glob": "matches", "coalesce": "default",
    "lowercase": "lower", "to_lower": "lower", "uppercase": "upper", "to_upper": "upper",
    "success": "succeeded", "failure": "failed", "always": "done", "num": "int",
}  # fmt: skip


def _call(ctx: Context, node: Call) -> Typed:
    if not isinstance(node.function, Name):
        ctx.report.add("T105", "only a function's name can be called", node.function.span)
        return UNKNOWN
    name = node.function.id
    if name in STATES:
        return _state(ctx, node, name)
    if name in FILTERS:
        return _misplaced_filter(ctx, node, name)
    if name == "secret":
        found = named(ctx.report, node)
        return (SECRET, found) if found else UNKNOWN
    if name == "prefer":
        return _misplaced_preference(ctx, node)
    function = FUNCTIONS.get(name)
    if function is not None:
        return _function(ctx, node, function)
    if (foreign := ctx.functions.function(name)) is not None:
        return _foreign(ctx, node, foreign)
    return _no_function(ctx, node, node.function)


def _no_function(ctx: Context, node: Call, name: Name) -> Typed:
    if problem := ctx.functions.function_problem(name.id):
        for argument in node.arguments:
            ctx.check_open(argument.value)
        message = f"the plugin of function `{name.id}` cannot be used: {problem}"
        ctx.report.add("T502", message, name.span, "not usable")
        return UNKNOWN
    others = ctx.functions.function_names()
    near = _ALIASES.get(name.id) or nearest(name.id, [*FUNCTIONS, *others, *STATES, "secret"])
    for argument in node.arguments if near not in STATES else ():
        ctx.check_open(argument.value)
    fix = Fix(f"the functions are {listed([*FUNCTIONS, *others], 60)}")
    if near:
        fix = Fix(f"did you mean `{near}`?", name.span, near)
    ctx.report.add("T105", f"there is no function `{name.id}`", name.span, "not known", fix)
    return UNKNOWN


def _misplaced_filter(ctx: Context, node: Call, name: str) -> Typed:
    for argument in node.arguments:
        ctx.check_open(argument.value)
    message = f"`{name}` can only end a `{{{{ … }}}}` in a script"
    ctx.report.add("T602", message, node.function.span, "not in a script's hole")
    return UNKNOWN


def _misplaced_preference(ctx: Context, node: Call) -> Typed:
    for argument in node.arguments:
        ctx.check_open(argument.value)
    message = "`prefer(…)` can only be the whole value of `regions`"
    fix = Fix('write it in the step: `regions = prefer("eu", "us")`')
    ctx.report.add("T220", message, node.span, "not here", fix)
    return UNKNOWN


# --- arguments -------------------------------------------------------------------------


def _function(ctx: Context, node: Call, function: Function) -> Typed:
    before = ctx.report.count
    given = _bound(ctx, node, function)
    if given is None:
        return function.result(()) if isinstance(function.gives, Type) else UNKNOWN[0], UNKNOWN[1]
    checked = [ctx.check(each.value, PASSED) if each else _LEFT_OUT for each in given]
    for at, (argument, (type, _)) in enumerate(zip(given, checked, strict=True)):  # noqa: A001
        if argument is not None:
            _takes(ctx, argument, type, function, at)
    result = function.result([found[0] for found in checked])
    if ctx.report.count != before:
        return result, UNKNOWN[1]
    return result, ("call", function.name, tuple(expr for _, expr in checked), ())


def _foreign(ctx: Context, node: Call, function: Function) -> Typed:
    """A plugin's function: what it takes is said by types that a file could have."""
    before = ctx.report.count
    given = _bound(ctx, node, function)
    if given is None:
        return function.result(()), UNKNOWN[1]
    exprs = [_argument(ctx, each, function, at) if each else None for at, each in enumerate(given)]
    if ctx.report.count != before:
        ctx.report.annotate(before, _RULES, f"`{function.name}` comes from {function.origin}")
        return function.result(()), UNKNOWN[1]
    placed, named = arguments_of(exprs, [name for name, _ in function.takes])
    origin = function.origin.partition(" ")[0]
    return function.result(()), (
        "foreign", function.name, origin, tuple(placed), tuple(sorted(named.items())),
    )  # fmt: skip


_RULES = frozenset({"T201", "T203", "T204", "T205", "T206"})
"""The codes of what a function's parameters rule."""


def _argument(ctx: Context, argument: Argument, function: Function, at: int) -> Expr:
    name, wanted = function.takes[at]
    found = ctx.check(argument.value, PASSED)
    if found[0].name == "null" and name in function.nullable:
        return found[1]
    what = f"`{name}` of `{function.name}`"
    return found[1] if fitted(ctx, argument.value, found, wanted, what) else UNKNOWN[1]


_LEFT_OUT: Typed = (Type("null"), ("lit", None))


def _bound(ctx: Context, node: Call, function: Function) -> list[Argument | None] | None:
    """The arguments in the order of the parameters; None where they do not match."""
    given: list[Argument | None] = [a for a in node.arguments if a.name is None]
    if len(given) > len(function.takes) and not function.rest:
        extra = given[len(function.takes)]
        _mismatch(ctx, node, function, f"takes no {_nth(len(given))} argument", extra)
        return None
    names = [name for name, _ in function.takes]
    for argument in node.arguments:
        if argument.name is None:
            continue
        if argument.name not in names:
            _mismatch(ctx, node, function, f"has no `{argument.name}`", argument)
            return None
        at = names.index(argument.name)
        given.extend([None] * (at + 1 - len(given)))
        if given[at] is not None:
            _mismatch(ctx, node, function, f"has `{argument.name}` twice", argument)
            return None
        given[at] = argument
    given.extend([None] * (function.least - len(given)))
    needed = zip(names[: function.least], given, strict=False)
    missing = [name for name, argument in needed if argument is None]
    if missing:
        _mismatch(ctx, node, function, f"needs {listed(missing)}", None)
        return None
    return given


def _nth(count: int) -> str:
    return {1: "first", 2: "second", 3: "third", 4: "fourth"}.get(count, f"{count}th")


def _mismatch(ctx: Context, node: Call, function: Function, what: str, at: Argument | None) -> None:
    for argument in node.arguments:
        ctx.check_open(argument.value)
    if ctx.report.unread_in(node.span):
        return  # which arguments were meant, the parser could not tell
    span = at.span if at else node.function.span
    fix = Fix(f"it is called as `{function.signature}`")
    ctx.report.add("T203", f"`{function.name}` {what}", span, "", fix)


def _takes(ctx: Context, argument: Argument, type: Type, function: Function, at: int) -> None:  # noqa: A002
    name, wanted = function.takes[min(at, len(function.takes) - 1)]
    if _accepts(type, wanted):
        return
    message = f"`{function.name}` takes {noun(wanted)} as `{name}`, not {noun(type)}"
    ctx.report.add("T204", message, argument.value.span, noun(type))


def _accepts(actual: Type, wanted: Type) -> bool:
    if actual.name == "any":
        return True
    match wanted.name:
        case "scalar":
            return scalar(actual)
        case "sized":
            return actual.name in ("list", "map") or actual.name in TEXTUAL
        case "number":
            return actual.name in ("int", "float", "duration", "size")
        case "list":
            return actual.name == "list" and _accepts(inner(actual), inner(wanted))
    return fits(actual, wanted)


# --- questions about steps ---------------------------------------------------------------


def _state(ctx: Context, node: Call, question: str) -> Typed:
    if not ctx.place.states:
        message = f"`{question}(…)` can only be asked in `when`"
        ctx.report.add("T109", message, node.span, f"this is {ctx.place.title}")
        return BOOL, UNKNOWN[1]
    argument = node.arguments[0].value if len(node.arguments) == 1 else None
    if not isinstance(argument, Name):
        fix = Fix(f"write `{question}(build)`, for a step `build`")
        ctx.report.add("T203", f"`{question}` takes the name of one step", node.span, "", fix)
        return BOOL, UNKNOWN[1]
    step = step_named(ctx, argument)
    if step is None:
        return BOOL, UNKNOWN[1]
    ctx.states = True
    ctx.uses.setdefault(step.name, argument.span)
    expr: Expr = ("state", question, step.name)
    return BOOL, expr


def step_named(ctx: Context, node: Name) -> Symbol | None:
    """The other step that a name in `needs` or in a question means."""
    symbol = ctx.scope.find(node.id)
    if symbol is not None and symbol.kind == "step":
        symbol.used = True
        if symbol.name != ctx.step:
            return symbol
        fix = Fix("take it out")
        message = f"step `{node.id}` waits for itself"
        ctx.report.add("T303", message, node.span, "the step itself", fix)
        return None
    if symbol is not None:
        message = f"`{node.id}` is a {symbol.kind}, not a step"
        ctx.report.add("T301", message, node.span, "a step is wanted here")
    elif not ctx.report.may_be_unread(node.id):
        _no_step(ctx, node)
    return None


def _no_step(ctx: Context, node: Name) -> None:
    near = ctx.scope.nearest(node.id)
    found = ctx.scope.find(near) if near else None
    fix = None
    if near and found and found.kind == "step" and near != ctx.step:
        fix = Fix(f"did you mean `{near}`?", node.span, near)
    else:
        steps = [
            s.name for s in ctx.scope.names.values() if s.kind == "step" and s.name != ctx.step
        ]
        fix = Fix(f"the other steps are {listed(steps)}") if steps else None
    ctx.report.add("T301", f"there is no step `{node.id}`", node.span, "not a step", fix)


CHECKS |= {Call: _call}
