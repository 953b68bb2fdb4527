"""Quotes, `$`, `${ }`, arithmetic, arrays: what characters mean below a command's words."""

from __future__ import annotations

import re

from tidelang.shell.state import (
    HOLE,
    Body,
    Command,
    Double,
    Form,
    Frame,
    Group,
    Lost,
    Param,
    Scan,
    Sum,
    Word,
)

BACKSLASH = (
    "a backslash stands right before this place and would take the quoting off",
    "take the backslash away; Tide quotes the value itself",
)
DOLLAR = (
    "a $ stands right before this place",
    "take the $ away: {{ … }} is the whole place; for a dollar sign write \\$",
)
BACKTICKS = (
    "a value between backticks cannot be quoted safely",
    "write $( … ) instead of the backticks",
)
UNCLEAR = (
    "this part of ${ … } gives a value a meaning as code",
    "put the value into a variable of the script first: x={{ … }}",
)
ARITHMETIC = "a shell evaluates what stands in arithmetic"
SUBSCRIPT = "a shell evaluates what stands in an array's subscript"
OFFSET = "a shell evaluates the numbers of ${x:offset:length}"

_HEAD = re.compile(r"\$\{[#!]?(?:[A-Za-z_]\w*|\d+|[@*#?$!-])", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_WORD = re.compile(r":?[-=+?]")
_PATTERN = re.compile(r"##?|%%?|//?|\^\^?|,,?|~~?")
_PLAIN_DOUBLE = re.compile(r'[^\0"$`\\]+')
_PLAIN_BODY = re.compile(r"[^\0$`\\]+")
_PLAIN_PARAM = re.compile(r"[^\0\"'$`\\}]+")
_PLAIN_SUM = re.compile(r"[^\0\"'$`\\()\[\]]+")
_PLAIN_GROUP = re.compile(r"[\w./:,%=+-]+", re.ASCII)


def double(scan: Scan, frame: Double) -> None:
    """One step between double quotes."""
    if scan.text[scan.at] == '"':
        scan.stack.pop()
        scan.at += 1
    else:
        _quoted_text(scan, frame, _PLAIN_DOUBLE, '$`"\\')


def body(scan: Scan, frame: Body) -> None:
    """One step in a here-document: as in double quotes, but a `"` is nothing special."""
    _quoted_text(scan, frame, _PLAIN_BODY, "$`\\")


def _quoted_text(scan: Scan, frame: Frame, plain: re.Pattern[str], escapes: str) -> None:
    character = scan.text[scan.at]
    if match := plain.match(scan.text, scan.at, frame.limit):
        scan.put(match[0])
        scan.at = match.end()
    elif character == HOLE:
        scan.place(Form.DOUBLE)
    elif character == "\\":
        _backslash(scan, escapes)
    else:
        expansion(scan, quoted=True)


def _backslash(scan: Scan, escapes: str) -> None:
    """A backslash where it escapes `escapes` alone (everything, where that is empty)."""
    following = scan.peek()
    scan.at += 1
    if following == HOLE:
        scan.place(Form.PLAIN).refuse(*BACKSLASH)
    elif following == "\n":
        scan.at += 1
    elif following and (not escapes or following in escapes):
        scan.put(following)
        scan.at += 1
    else:
        scan.put("\\")


def unquoted(scan: Scan) -> bool:
    """A step over whatever means the same everywhere outside of quotes; False where the
    character is none of these."""
    character = scan.text[scan.at]
    if character == HOLE:
        scan.place(Form.BARE)
    elif character == "\\":
        _mark_quoted(scan)
        _backslash(scan, "")
    elif character == "'":
        _mark_quoted(scan)
        single(scan)
    elif character == '"':
        _mark_quoted(scan)
        scan.push(Double(sink=scan.stack[-1].sink))
        scan.at += 1
    elif character in "$`":
        expansion(scan, quoted=False)
    else:
        return False
    return True


def _mark_quoted(scan: Scan) -> None:
    sink = scan.stack[-1].sink
    if sink is not None:
        sink.quoted = True


def single(scan: Scan) -> None:
    """A whole `'…'`."""
    scan.at += 1
    end = scan.text.find("'", scan.at, scan.stack[-1].limit)
    end = scan.stack[-1].limit if end < 0 else end
    while scan.at < end:
        hole = scan.text.find(HOLE, scan.at, end)
        stop = end if hole < 0 else hole
        scan.put(scan.text[scan.at : stop])
        scan.at = stop
        if hole >= 0:
            scan.place(Form.SINGLE)
    scan.at = end + 1


def _ansi(scan: Scan) -> None:
    """A whole `$'…'`, in which bash resolves escapes and a plain `sh` may not."""
    scan.at += 2
    while scan.at < scan.stack[-1].limit:
        character = scan.text[scan.at]
        if character == "'":
            scan.at += 1
            return
        if character == HOLE:
            place = scan.place(Form.ANSI)
            if not scan.bash:
                place.refuse(
                    "not every sh knows the quotes $'…'",
                    "use double quotes, or start the script with #!/bin/bash",
                )
        elif character == "\\":
            _ansi_escape(scan)
        else:
            scan.put(character)
            scan.at += 1


def _ansi_escape(scan: Scan) -> None:
    if scan.peek() == HOLE:
        scan.at += 1
        scan.place(Form.ANSI).refuse(*BACKSLASH)
        return
    if not scan.bash and scan.peek() == "'":
        raise Lost(
            "a \\' in the quotes $'…' ends them in some shells and not in others",
            "start the script with #!/bin/bash, or use double quotes",
        )
    scan.put("x")
    scan.at += 2


# --- $ and backticks ---------------------------------------------------------------


def expansion(scan: Scan, *, quoted: bool) -> None:
    """A step over `$…` or backticks."""
    if scan.text[scan.at] == "`":
        _backticks(scan)
        return
    following = scan.peek()
    if following == HOLE:
        scan.at += 1
        scan.place(Form.PLAIN).refuse(*DOLLAR)
    elif following == "(":
        _substitution(scan)
    elif following == "{":
        _parameter(scan, quoted=quoted)
    elif following == "[":
        scan.put(None)
        scan.push(Sum(numbers=ARITHMETIC, closer="]"))
        scan.at += 2
    elif following == "'" and not quoted:
        _mark_quoted(scan)
        _ansi(scan)
    elif following == '"' and not quoted:
        scan.at += 1
    else:
        _variable(scan)


def _variable(scan: Scan) -> None:
    """`$name`, `$1`, `$#`; or a dollar sign that is just that."""
    name = _NAME.match(scan.text, scan.at + 1)
    if name:
        scan.put(None)
        scan.at = name.end()
    elif scan.peek() and scan.peek() in "@*#?$!-0123456789":
        scan.put(None)
        scan.at += 2
    else:
        scan.put("$")
        scan.at += 1


def _substitution(scan: Scan) -> None:
    scan.put(None)
    if scan.peek(2) == "(":
        scan.push(Sum(numbers=ARITHMETIC))
        scan.at += 3
    else:
        first = len(scan.places)
        scan.push(Command(role="$(", pipe_from=first, command_from=first))
        scan.at += 2


def _backticks(scan: Scan) -> None:
    """From backtick to backtick: the first one without a backslash, says POSIX."""
    scan.put(None)
    end = scan.at + 1
    limit = scan.stack[-1].limit
    while end < limit and scan.text[end] != "`":
        end += 2 if scan.text[end] == "\\" else 1
    scan.refuse_until(min(end, limit), *BACKTICKS)
    scan.at += 1


# --- ${ } --------------------------------------------------------------------------


def _parameter(scan: Scan, *, quoted: bool) -> None:
    scan.put(None)
    around = ""
    if quoted:
        around = "document" if _in_document(scan) else "quotes"
    match = _HEAD.match(scan.text, scan.at)
    if match is None and scan.peek(2) in (" ", "\t", "\n", "|"):
        raise Lost("${ … } holds a command here, which few shells know", "write $( … )")
    name = match[0].lstrip("${#!") if match else ""
    scan.push(Param(name=name, mode="head" if match else "unclear", around=around))
    scan.at = match.end() if match else scan.at + 2


def _in_document(scan: Scan) -> bool:
    """Whether a `${` here has the quoting of a here-document and not of double quotes."""
    for frame in reversed(scan.stack):
        if isinstance(frame, Body):
            return True
        if not isinstance(frame, Param) or frame.around != "document":
            return False
    return False


def parameter(scan: Scan, frame: Param) -> None:
    """One step in `${…}`."""
    if frame.mode == "head":
        _operator(scan, frame)
        return
    character = scan.text[scan.at]
    if character == "}":
        scan.stack.pop()
        scan.at += 1
    elif match := _PLAIN_PARAM.match(scan.text, scan.at, frame.limit):
        scan.at = match.end()
    elif character == HOLE:
        _place_in_parameter(scan, frame)
    elif character in "\"'" and frame.around and frame.mode != "pattern":
        _quote_in_quotes(scan, frame)
    elif character in "\"'" and frame.around == "document":
        frame.mode = "unclear"
        scan.at += 1
    elif character in "$`":
        expansion(scan, quoted=bool(frame.around))
    else:
        unquoted(scan)


def _operator(scan: Scan, frame: Param) -> None:
    rest = scan.text
    if rest[scan.at] == "[":
        scan.push(Sum(numbers=SUBSCRIPT, closer="]", form=Form.PLAIN))
        scan.at += 1
    elif rest[scan.at] == "}":
        frame.mode = "word"
    elif match := _WORD.match(rest, scan.at):
        frame.mode, scan.at = "word", match.end()
        frame.name = frame.name if "=" in match[0] else ""
    elif match := _PATTERN.match(rest, scan.at):
        frame.mode, scan.at = "pattern", match.end()
    elif rest[scan.at] == ":":
        frame.mode, frame.numbers = "number", frame.numbers or OFFSET
        scan.at += 1
    else:
        frame.mode = "unclear"


def _place_in_parameter(scan: Scan, frame: Param) -> None:
    in_quotes = frame.around and frame.mode != "pattern"
    place = scan.place(Form.DOUBLE if in_quotes else Form.BARE)
    if frame.mode == "number":
        place.form = Form.PLAIN
    elif frame.mode == "unclear" or (frame.mode == "pattern" and frame.around == "document"):
        place.refuse(*UNCLEAR)
    elif frame.mode == "word" and frame.name:
        scan.assigned.append((frame.name, place))


def _quote_in_quotes(scan: Scan, frame: Param) -> None:
    """A quote in the word of `"${x:-…}"`: a `"` quotes again; a `'` is only itself, but
    bash wants a second one all the same and overlooks a `}` between the two."""
    quote = scan.text[scan.at]
    if quote == "'" and scan.bash:
        _pair_in_quotes(scan, frame)
    elif quote == '"' and frame.around == "document":
        frame.mode = "unclear"
        scan.at += 1
    elif quote == '"':
        scan.push(Double())
        scan.at += 1
    else:
        scan.at += 1


def _pair_in_quotes(scan: Scan, frame: Param) -> None:
    end = scan.text.find("'", scan.at + 1, frame.limit)
    between = scan.text[scan.at + 1 : end]
    if end < 0 or frame.around == "document" or set(between) & set('}$`"\\'):
        raise Lost(
            "a single quote inside of ${ … } means different things to different shells here",
            "take the quote out, or put the text into a variable first",
        )
    scan.refuse_until(end, *UNCLEAR)
    scan.at += 1


# --- arithmetic, arrays, extended patterns -----------------------------------------


def arithmetic(scan: Scan, frame: Sum) -> None:
    """One step in `$(( ))`, `(( ))`, `$[ ]` or a subscript."""
    character = scan.text[scan.at]
    opening, closing = ("(", ")") if frame.closer == "))" else ("[", "]")
    if match := _PLAIN_SUM.match(scan.text, scan.at, frame.limit):
        scan.at = match.end()
    elif character == HOLE:
        scan.place(frame.form)
    elif character == closing and frame.depth == 0:
        _end_of_sum(scan, frame)
    elif unquoted(scan):
        return
    else:
        frame.depth += {opening: 1, closing: -1}.get(character, 0)
        scan.at += 1


def _end_of_sum(scan: Scan, frame: Sum) -> None:
    if not scan.text.startswith(frame.closer, scan.at):
        raise Lost(
            "(( starts arithmetic, but what stands there is no arithmetic",
            "write ( ( with a space between for a subshell in a subshell",
        )
    scan.stack.pop()
    scan.at += len(frame.closer)


def group(scan: Scan, frame: Group) -> None:
    """One step in the brackets of an array or of an extended pattern."""
    character = scan.text[scan.at]
    starts = scan.text[scan.at - 1] in "( \t\n"
    if match := _PLAIN_GROUP.match(scan.text, scan.at, frame.limit):
        scan.at = match.end()
    elif character == HOLE:
        place = scan.place(Form.BARE)
        place.word = frame.array and starts and scan.text[scan.at : scan.at + 1] in tuple(") \t\n")
    elif unquoted(scan):
        return
    elif character == "[" and frame.array and starts:
        scan.push(Sum(numbers=SUBSCRIPT, closer="]", form=Form.PLAIN))
        scan.at += 1
    elif character == "#" and frame.array and starts:
        comment(scan)
    elif character in "<>" and scan.peek() == "(":
        process(scan)
    elif character == ")" and frame.depth == 0:
        scan.stack.pop()
        scan.at += 1
    else:
        frame.depth += {"(": 1, ")": -1}.get(character, 0)
        scan.at += 1


def process(scan: Scan) -> None:
    """Enter `<( … )` or `>( … )`."""
    first = len(scan.places)
    scan.put(None)
    scan.push(Command(role="<(", pipe_from=first, command_from=first))
    scan.at += 2


def comment(scan: Scan) -> None:
    """A whole comment. The name of the variable is put there, and no reference to it."""
    end = scan.text.find("\n", scan.at, scan.stack[-1].limit)
    end = scan.stack[-1].limit if end < 0 else end
    while (hole := scan.text.find(HOLE, scan.at, end)) >= 0:
        scan.at = hole
        sink, scan.stack[-1].sink = scan.stack[-1].sink, None
        scan.place(Form.COMMENT)
        scan.stack[-1].sink = sink
    scan.at = end


def new_word(scan: Scan) -> Word:
    return Word(first=len(scan.places))
