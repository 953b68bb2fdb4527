"""What commands make of their arguments, where that is code.

A value that arrives as text is still code for `eval`, for `sh -c "…"`, for the far end
of `ssh`, for `[[ … -eq … ]]`, and for a variable declared an integer. Known cases are
refused with the way out. What other programs make of their arguments (`sed`, `psql`,
`make`, a function of the script's own that calls `eval`) cannot be seen from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from tidelang.shell.state import Command, Content, Lost, Place, Scan, Word

SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "fish", "csh", "tcsh"})
_PROGRAMS = {
    "python": re.compile(r"-\w*c"),
    "perl": re.compile(r"-\w*[eE]"),
    "ruby": re.compile(r"-\w*e"),
    "node": re.compile(r"-[ep]|-pe|--eval|--print"),
    "php": re.compile(r"-r"),
    "lua": re.compile(r"-e"),
}
_WITH_ARGUMENT = re.compile(r"[-+]\w*[oO]|--rcfile|--init-file|-W|-X|-I|-r|--require", re.ASCII)
_LAUNCHERS = frozenset(
    {
        "sudo",
        "doas",
        "env",
        "eval",
        "nohup",
        "exec",
        "command",
        "builtin",
        "nice",
        "timeout",
        "time",
        "stdbuf",
        "docker",
        "podman",
        "kubectl",
        "nerdctl",
        "oc",
        "chroot",
        "su",
        "runuser",
        "flatpak",
        "nsenter",
        "unshare",
        "ssh",
    }
)
"""What starts the program that its arguments name."""

_PROMPTS = frozenset({"PS0", "PS1", "PS2", "PS4", "PROMPT_COMMAND"})
_INTEGERS = frozenset({"RANDOM", "SRANDOM", "SECONDS", "LINENO", "OPTIND", "HISTCMD"})
_UNKNOWN = "\1"
_ASSIGNED = re.compile(rf"([A-Za-z_]\w*)(?:{_UNKNOWN}|\[[^=]*\])?\+?=", re.ASCII)
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(?:\[.*\])?\+?=", re.ASCII | re.DOTALL)
_COMPARISONS = frozenset({"-eq", "-ne", "-lt", "-le", "-gt", "-ge"})
_SSH_WITH_ARGUMENT = "BbcDEeFIiJLlmOopQRSWw"

_INTEGER = "a shell evaluates what is assigned to an integer variable"
_COMPARED = "a shell evaluates both sides of -eq and its like in [[ ]]"
_LET = "a shell evaluates the arguments of let"

_QUOTE = "quote it for that shell, outside of all quotes of its own: {{ … | sh }}"
_NAME = ("the name of a variable cannot be a value", "write the name out")


# --- one word ----------------------------------------------------------------------


def assigned_name(word: Word) -> str | None:
    """The variable that a word of the form `name=…` or `name[…]=…` assigns to."""
    text = "".join(part if isinstance(part, str) else _UNKNOWN for part in word.content[:4])
    match = _ASSIGNED.match(text)
    return match[1] if match else None


def check_word(scan: Scan, content: Content) -> None:
    """What `| sh` has quoted must stand where the second shell sees no other quotes."""
    if any(isinstance(part, Place) and part.insert.filter == "sh" for part in content):
        scan.second.append(content)


def _refuse(places: Iterable[Place], message: str, help: str) -> None:  # noqa: A002
    for place in places:
        place.refuse(message, help)


def _only_numbers(places: Iterable[Place], why: str) -> None:
    for place in places:
        place.numbers = place.numbers or why


def _inside(scan: Scan, words: Iterable[Word]) -> list[Place]:
    """All places of the words, those in their substitutions too."""
    return [place for word in words for place in scan.places[word.first : word.last]]


def _code(scan: Scan, words: list[Word], program: str, *, shell: bool = True) -> None:
    """The words, joined, are code for `program`."""
    if not any(word.last > word.first for word in words):
        return
    joined: Content = [part for word in words for part in (*word.content, " ")]
    if shell:
        check_word(scan, joined)
    direct = {place for word in words for place in word.holes}
    _judge(direct, program, shell=shell)
    _refuse(
        (place for place in _inside(scan, words) if place not in direct),
        f"what this substitution prints is run as code by {program}",
        "work it out in a line of its own first, and look at what comes out",
    )


def _judge(places: Iterable[Place], program: str, *, shell: bool) -> None:
    """Refuse what would be code for `program`: everything but numbers and what is quoted
    for it."""
    for place in places:
        if place.insert.shape == "number" and not place.insert.filter:
            place.numbers = place.numbers or f"{program} runs this text as code"
        elif shell and place.insert.filter != "sh":
            place.refuse(f"{program} runs this text as code, and the value would be code", _QUOTE)
        elif not shell:
            place.refuse(
                f"{program} runs this text as code, and the value would be code",
                "pass the value as an argument behind the code, or by env { NAME = … }",
            )


# --- commands ----------------------------------------------------------------------


def check_command(scan: Scan, frame: Command) -> None:
    """A simple command is complete: see to the places among its words."""
    words = frame.words
    for word in words:
        _check_assignment(scan, word)
    while words and assigned_name(words[0]):
        words = words[1:]
    if not words:
        return
    _check_interpreters(scan, words)
    _check_input(scan, frame, words)
    name, args = _builtin(words)
    rule = _RULES.get(name or "")
    if rule is not None:
        rule(scan, name, args)


def _builtin(words: list[Word]) -> tuple[str, list[Word]]:
    """The command's name and arguments, without `command` and `builtin` before them."""
    while len(words) > 1 and words[0].literal in ("command", "builtin", "exec", "-p", "--"):
        words = words[1:]
    return words[0].literal or "", words[1:]


def _check_assignment(scan: Scan, word: Word) -> None:
    name = assigned_name(word)
    places = scan.places[word.first : word.last]
    if name is None or not places:
        return
    if name in _PROMPTS:
        _refuse(places, f"a shell runs the substitutions in {name}", "write its text out")
    scan.assigned.extend((name, place) for place in places)


def check_loop(scan: Scan, words: list[Word]) -> None:
    """The head of a `for` or `select`, or a function's."""
    if len(words) > 1:
        _refuse(words[1].holes, *_NAME)
        name = words[1].literal or ""
        scan.assigned.extend((name, place) for place in _inside(scan, words[2:]))


def check_condition(scan: Scan, words: list[Word]) -> None:
    """A whole `[[ … ]]`."""
    for before, word, after in zip(words, words[1:], [*words[2:], None], strict=False):
        around = {before.plain, after.plain if after else None}
        if around & _COMPARISONS:
            _only_numbers(_inside(scan, [word]), _COMPARED)
        if before.literal in ("-v", "-R"):
            _refuse(_inside(scan, [word]), *_NAME)


def check_end(scan: Scan) -> None:
    """What only the whole script shows: which names are integers, which arrays."""
    for name, place in scan.assigned:
        if name in _INTEGERS or name in scan.integers or "" in scan.integers:
            place.numbers = place.numbers or _INTEGER
    for name, place in scan.declared:
        if name in scan.arrays:
            place.refuse(*_ARRAY)


_ARRAY = (
    "a shell evaluates a text in ( ) that is declared as an array",
    "declare the array first, and assign in a line of its own: name=( {{ … }} )",
)


# --- other shells and languages ----------------------------------------------------


def _program(word: Word) -> str:
    name = (word.literal or "").rpartition("/")[2]
    if name in SHELLS:
        return name
    language = re.sub(r"[\d.]+$", "", name)
    return name if language in _PROGRAMS or language == "nodejs" else ""


def _code_option(program: str) -> re.Pattern[str]:
    if program in SHELLS:
        return re.compile(r"-\w*c\w*")
    language = re.sub(r"[\d.]+$", "", program)
    return _PROGRAMS["node" if language == "nodejs" else language]


def _check_interpreters(scan: Scan, words: list[Word]) -> None:
    for at, word in enumerate(words):
        if program := _program(word):
            code, _ = _operands(program, words[at + 1 :])
            _code(scan, code, f"{program}", shell=program in SHELLS)


def _operands(program: str, words: list[Word]) -> tuple[list[Word], list[Word]]:
    """The words that are code by an option such as `-c`, and those behind the options."""
    option, code, wanted, at = _code_option(program), [], False, 0
    while at < len(words):
        text = words[at].literal
        start = words[at].prefix if text is None else text
        if not start.startswith(("-", "+")) or start in ("-", "--"):
            break
        if text is None and option.match(start):
            code.append(words[at])
        elif text is not None and option.fullmatch(text):
            if program not in SHELLS:
                at += 1
                code.extend(words[at : at + 1])
            wanted = True
        if text is not None and _takes_argument(program, text):
            at += 1
        elif program.startswith("python") and text == "-m":
            return code, words[at:]
        at += 1
    rest = words[at:]
    if wanted and program in SHELLS:
        if rest and rest[0].literal in ("-", "--"):
            rest = rest[1:]
        code.extend(rest[:1])
    return code, rest


def _takes_argument(program: str, option: str) -> bool:
    if program.startswith("php") and option == "-r":
        return False
    return _WITH_ARGUMENT.fullmatch(option) is not None


def _reads_code(words: list[Word]) -> str:
    """The program, where these words start one that runs what it reads as code."""
    for at, word in enumerate(words):
        program = _program(word)
        first = words[0].literal
        if program and (at == 0 or first is None or first in _LAUNCHERS):
            code, rest = _operands(program, words[at + 1 :])
            options = {option.literal for option in words[at + 1 :]}
            stdin = not rest or rest[0].literal in ("-", "/dev/stdin") or "-s" in options
            return program if stdin and not code else ""
    if words and words[0].literal == "ssh":
        return "" if _ssh(words[1:])[1] else "ssh"
    if words and words[0].literal in (".", "source"):
        return "source" if [w.literal for w in words[1:2]] == ["/dev/stdin"] else ""
    return ""


def _check_input(scan: Scan, frame: Command, words: list[Word]) -> None:
    """A shell that runs what comes by `<<`, `<<<` or a pipe."""
    program = _reads_code(words)
    if not program:
        return
    shell = program in SHELLS or program in ("ssh", "source")
    _code(scan, frame.strings, program, shell=shell)
    for doc in frame.docs:
        doc.program = program
    if frame.piped:
        _judge(scan.places[frame.pipe_from : frame.command_from], program, shell=shell)


def check_document(scan: Scan, text: Word, program: str) -> None:
    """The text of a here-document, and what runs it as code."""
    text.last = len(scan.places)
    check_word(scan, text.content)
    if program:
        _code(scan, [text], program, shell=program in SHELLS or program in ("ssh", "source"))


def _ssh(args: list[Word]) -> tuple[list[Word], list[Word]]:
    """The options of `ssh` that are code, and the words of the far command."""
    code, at = [], 0
    while at < len(args):
        literal = args[at].literal
        text = args[at].prefix if literal is None else literal
        if not text.startswith("-") or len(text) < 2:
            break
        if text[-1] in _SSH_WITH_ARGUMENT and literal is not None:
            at += 1
        if at < len(args) and "command" in args[at].prefix.lower():
            code.append(args[at])
        at += 1
    return code, args[at + 1 :]


# --- builtins ----------------------------------------------------------------------


def _rule_eval(scan: Scan, name: str, args: list[Word]) -> None:
    _code(scan, args, name)


def _rule_ssh(scan: Scan, name: str, args: list[Word]) -> None:
    options, far = _ssh(args)
    _code(scan, options, name)
    _code(scan, far, name)


def _rule_trap(scan: Scan, name: str, args: list[Word]) -> None:
    _code(scan, args[:2] if args and args[0].literal == "--" else args[:1], name)


def _rule_su(scan: Scan, name: str, args: list[Word]) -> None:
    for option, word in pairwise(args):
        if option.literal in ("-c", "--command", "-lc"):
            _code(scan, [word], name)
    _code(scan, [word for word in args if word.prefix.startswith("--command=")], name)


def _rule_source(scan: Scan, name: str, args: list[Word]) -> None:
    _code(scan, [word for word in args if word.substituted], name)


def _rule_alias(scan: Scan, name: str, args: list[Word]) -> None:  # noqa: ARG001
    _refuse(_inside(scan, args), "the text of an alias is code", "write a function")
    if args:
        raise Lost("an alias may change what the rest of the script means", "write a function")


def _rule_let(scan: Scan, name: str, args: list[Word]) -> None:  # noqa: ARG001
    _only_numbers(_inside(scan, args), _LET)


def _rule_names(scan: Scan, name: str, args: list[Word]) -> None:
    """`unset`, `read` and others take names, whose subscripts a shell evaluates."""
    takes = {"read": "adeinNptu", "mapfile": "dnOsuCc", "readarray": "dnOsuCc", "wait": "p"}
    before = ""
    for word in args:
        names_option = {"wait": "-p", "mapfile": "-C", "readarray": "-C", "read": "-a"}.get(name)
        is_argument = re.fullmatch(rf"-\w*[{takes.get(name, ' ')}]", before) is not None
        if name == "wait" and before != "-p":
            pass
        elif before == names_option or not (is_argument or word.prefix.startswith("-")):
            _refuse(_inside(scan, [word]), *_NAME)
        if name == "read" and before == "-a":
            scan.arrays.add(word.literal or "")
        before = word.literal or ""


def _rule_printf(scan: Scan, name: str, args: list[Word]) -> None:  # noqa: ARG001
    while args and args[0].prefix.startswith("-v"):
        names = args[:2] if args[0].literal == "-v" else args[:1]
        _refuse(_inside(scan, names), *_NAME)
        args = args[len(names) :]
    if args and args[0].holes and not args[0].prefix:
        args[0].holes[0].refuse(
            "a value at the start of printf's format is taken for its option -v",
            "write printf '%s' {{ … }}",
        )


def _rule_test(scan: Scan, name: str, args: list[Word]) -> None:  # noqa: ARG001
    for place in _inside(scan, args):
        place.word = False
    for before, word in pairwise(args):
        if before.literal in ("-v", "-R"):
            _refuse(_inside(scan, [word]), *_NAME)
        if before.holes and not before.prefix and word.holes:
            word.holes[0].refuse(
                "the value before this one may be taken for an operator of test",
                "put an operator such as = between the two",
            )


def _rule_declare(scan: Scan, name: str, args: list[Word]) -> None:  # noqa: ARG001
    flags = "".join(
        word.prefix for word in args if word.prefix.startswith(("-", "+")) and len(word.prefix) > 1
    )
    for word in args:
        if word.prefix.startswith(("-", "+")):
            _refuse(word.holes, *_NAME)
            continue
        _declared(scan, word, flags)


def _declared(scan: Scan, word: Word, flags: str) -> None:
    variable = assigned_name(word)
    places = scan.places[word.first : word.last]
    known = variable or word.literal or ""
    if "i" in flags:
        scan.integers.add(known)
    if set(flags) & set("aA"):
        scan.arrays.add(known)
    match = _ASSIGNMENT.match(word.prefix)
    if "n" in flags or match is None:
        _refuse(places, *_NAME)
    elif word.holes and match.end() == len(word.prefix):
        scan.declared.append((match[1], word.holes[0]))


_RULES = {
    "eval": _rule_eval,
    "ssh": _rule_ssh,
    "trap": _rule_trap,
    "su": _rule_su,
    "runuser": _rule_su,
    "source": _rule_source,
    ".": _rule_source,
    "alias": _rule_alias,
    "let": _rule_let,
    "unset": _rule_names,
    "read": _rule_names,
    "mapfile": _rule_names,
    "readarray": _rule_names,
    "wait": _rule_names,
    "printf": _rule_printf,
    "test": _rule_test,
    "[": _rule_test,
    "declare": _rule_declare,
    "typeset": _rule_declare,
    "local": _rule_declare,
    "readonly": _rule_declare,
    "export": _rule_declare,
}
