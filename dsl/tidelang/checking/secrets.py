"""Secrets: where one may not stand, why, and the way out.

`Context.check` refuses a secret, whoever asks; only those who call `check_open` take one:
`env`, a hole of a script, a plugin's setting for secrets, a `let`, and what makes a secret
of a secret (a text with one in it, a choice between two).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tidelang.definition import Expr, Type
from tidelang.diagnostics import Fix
from tidelang.report import Report
from tidelang.syntax import Call, Conditional, Expression, Output, Param, String
from tidelang.types import ANY, SECRET, scalar

_NAME = re.compile(r"[A-Za-z0-9_./-]{1,200}")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{2,}")
_MAY = "a secret may stand in `env`, in a `{{ }}` of a script and in a plugin's setting for secrets"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a secret may not stand at a place, and what to do instead."""

    code: str
    message: str
    help: str
    label: str = "a secret"

    def tell(self, report: Report, node: Expression) -> None:
        report.add(self.code, self.message, node.span, self.label, Fix(self.help), notes=(_MAY,))


HERE = Refusal(
    "T610",
    "a secret cannot stand here: what stands here is stored and shown",
    "put it into `env`, and use the variable in the script",
)
ARGUMENT = Refusal(
    "T611",
    "an argument of a program can be seen by everyone on the machine",
    "put it into `env`, from where the program reads it",
)
HELD = Refusal(
    "T612",
    "a list or a map cannot hold a secret",
    "give it a `let` or an `env` entry of its own",
)
INSIDE = Refusal(
    "T612",
    "a secret cannot be looked into: it is known to the worker only",
    "take it apart in the script",
)
OPERATED = Refusal(
    "T613",
    "no operator takes a secret: its value is known to the worker only",
    'to join it with text, write `"… {{ secret("NAME") }}"`; to compare it, do so in the script',
)
CONDITION = Refusal(
    "T613",
    "a secret cannot decide anything: its value is known to the worker only",
    "ask in the script, or decide by a param",
)
PASSED = Refusal(
    "T614",
    "no function takes a secret: its value is known to the worker only",
    "do it in the script, where the secret is a variable",
)
FILTERED = Refusal(
    "T614",
    "`| sh` and `| raw` would show the secret as part of a command",
    "take the filter away: the secret is then a variable of the script",
)


def valued(what: str) -> Refusal:
    """For the value of something that is stored and shown: "`description`"."""
    message = f"{what} cannot be a secret: it is stored with the run and shown"
    return Refusal("T610", message, HERE.help)


# --- secret(…) -------------------------------------------------------------------------


def named(report: Report, node: Call) -> Expr | None:
    """What `secret("NAME")` means; None where it is not written so."""
    argument = node.arguments[0] if len(node.arguments) == 1 else None
    if argument is None or argument.name is not None:
        fix = Fix('write `secret("NAME")`')
        report.add("T615", "`secret` takes one name", node.span, "", fix)
        return None
    value = argument.value
    name = value.plain if isinstance(value, String) else None
    if name is None:
        message = "the name of a secret is written out, so that all names can be read off the file"
        fix = Fix('write `secret("NAME")`, with a plain string')
        report.add("T615", message, value.span, "no plain string", fix)
        return None
    if not _NAME.fullmatch(name):
        _bad_name(report, value, name)
        return None
    return ("secret", name)


def _bad_name(report: Report, node: Expression, name: str) -> None:
    better = re.sub(r"[^A-Za-z0-9_./-]+", "_", name).strip("_")[:200]
    fix = Fix("write it so", node.span, f'"{better}"') if better else Fix('write `secret("NAME")`')
    message = "the name of a secret has letters, digits and `_ - . /` only, and at most 200 of them"
    report.add("T615", message, node.span, "no name of a secret", fix)


def either(report: Report, node: Conditional, then: Type, otherwise: Type) -> Type:
    """The type of a choice of which one side at least is a secret."""
    for type, side in ((then, node.then), (otherwise, node.otherwise)):  # noqa: A001
        if type.name == "secret" or scalar(type):
            continue
        fix = Fix("write an empty string", side.span, '""') if type.name == "null" else None
        message = "the other side is a secret, so this must be one or a text"
        report.add("T621", message, side.span, "no text", fix)
        return ANY
    return SECRET


# --- where one is wanted, and where none may be declared ---------------------------------


def no_secret(report: Report, node: Expression, what: str, found: str) -> None:
    """Something else stands where a secret is wanted."""
    message = f"{what} is a secret, not {found}: what stands in a file is seen by its readers"
    fix = Fix('write `secret("NAME")`, and give NAME to the worker')
    plain = node.plain if isinstance(node, String) else None
    if plain and _VARIABLE.fullmatch(plain):
        fix = Fix("take it by its name", node.span, f'secret("{plain}")')
    report.add("T618", message, node.span, found, fix)


def no_param(report: Report, node: Param) -> None:
    """A pipeline's param of type `secret`."""
    name = node.name.id
    message = f"param `{name}` cannot be a secret: its value would be stored with each run"
    fix = Fix(f'take the param out, and write `secret("{name.upper()}")` where it is used')
    report.add("T616", message, (node.type or node.name).span, "stored", fix)


def no_output(report: Report, node: Output) -> None:
    """An output of type `secret`."""
    name = node.name.id
    message = f"output `{name}` cannot be a secret: outputs are stored with the run"
    fix = Fix(f'let the step that wants it use `secret("{name.upper()}")`')
    report.add("T617", message, (node.type or node.name).span, "stored", fix)
