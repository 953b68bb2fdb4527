"""Commands: words, keywords, `case`, redirections, brackets.

Told apart only as far as quoting needs it: where a `)` belongs to a `case`, where `((` is
arithmetic, which words make up a command. What a command does with them is in `rules`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tidelang.shell import heredoc, rules
from tidelang.shell.quoting import (
    ARITHMETIC,
    SUBSCRIPT,
    comment,
    process,
    unquoted,
)
from tidelang.shell.state import Command, Form, Group, Lost, Scan, Sum, Word

_OPENING = frozenset({"if", "while", "until", "{"})
_LEADING = _OPENING | {"then", "else", "elif", "do", "!", "time", "coproc", "-p"}
_CLOSING = frozenset({"fi", "done", "}", "esac"})
_HEADED = frozenset({"for", "select", "case"})

_PLAIN = re.compile(r"[^\0\s\\'\"$`#;&|<>()\[]+")
_REDIRECT = re.compile(r"<<<|<<-|<<|<&|<>|<|>>|>&|>\||>")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_EMPTY_BRACKETS = re.compile(r"\([ \t]*\)")
_STRAY_BRACKET = Lost(
    "a bracket stands here that belongs to no command",
    "put quotes around it, or look for a quote that is missing before it",
)


def command(scan: Scan, frame: Command) -> None:
    """One step in a list of commands."""
    if frame.bodies:
        heredoc.enter(scan, frame)
        return
    character = scan.text[scan.at]
    if character in "\n;&|)" and (not frame.condition or _is_end_of_condition(frame)):
        end_word(scan, frame)
    step = _STEPS.get(character)
    if step is not None:
        step(scan, frame)
    elif character == "#" and frame.sink is None:
        comment(scan)
    elif character == "\\" and scan.peek() == "\n":
        scan.at += 2
    else:
        _in_word(scan, frame)


def _blank(scan: Scan, frame: Command) -> None:
    end_word(scan, frame)
    scan.at += 1


def _is_end_of_condition(frame: Command) -> bool:
    return frame.sink is not None and frame.sink.plain == "]]"


def _in_word(scan: Scan, frame: Command) -> None:
    if frame.sink is None:
        frame.sink = Word(first=len(scan.places))
    if match := _PLAIN.match(scan.text, scan.at, frame.limit):
        frame.sink.content.append(match[0])
        scan.at = match.end()
    elif scan.text[scan.at] == "[" and _may_have_subscript(frame):
        frame.sink.content.append(None)
        scan.push(Sum(numbers=SUBSCRIPT, closer="]", form=Form.PLAIN))
        scan.at += 1
    elif not unquoted(scan):
        frame.sink.content.append(scan.text[scan.at])
        scan.at += 1


def _may_have_subscript(frame: Command) -> bool:
    """Whether `name[` begins an assignment here."""
    name = frame.sink.plain if frame.sink else None
    if not name or not _ASSIGNMENT.fullmatch(name) or frame.condition:
        return False
    return all(rules.assigned_name(word) for word in frame.words)


# --- words -------------------------------------------------------------------------


def end_word(scan: Scan, frame: Command) -> None:
    """The word that was being read, if any, is complete."""
    word, frame.sink = frame.sink, None
    if word is None:
        return
    word.last = len(scan.places)
    rules.check_word(scan, word.content)
    if frame.redirect:
        if frame.redirect == "<<<":
            frame.strings.append(word)
        frame.redirect = ""
        return
    frame.words.append(word)
    if frame.cases and frame.cases[-1] == "pattern":
        _in_pattern(frame, word)
    elif not (word.plain and _keyword(scan, frame, word.plain)):
        _mark_word(frame, word)


def _mark_word(frame: Command, word: Word) -> None:
    """A place that is a whole argument may become several."""
    holes = word.holes
    if len(word.content) != 1 or not holes or word.quoted or frame.condition:
        return
    first = frame.words[0].plain
    if first == "case" or (first in ("for", "select", "function") and len(frame.words) == 2):
        return
    holes[0].word = True


def _in_pattern(frame: Command, word: Word) -> None:
    if word.plain == "esac" and len(frame.words) == 1 and not frame.bracket:
        frame.cases.pop()
        _close(frame)


def _keyword(scan: Scan, frame: Command, text: str) -> bool:
    """Treat a keyword as what it is; False where the word is an ordinary one."""
    words = frame.words
    if len(words) == 1:
        return _first_keyword(frame, text)
    if frame.condition and text == "]]":
        rules.check_condition(scan, words)
        frame.condition, frame.words = False, []
        return True
    head = words[0].plain
    if head == "case" and len(words) == 3 and text == "in":
        frame.cases.append("pattern")
        frame.words = []
        return True
    if (head == "function" and len(words) == 2) or (
        head in ("for", "select") and len(words) == 3 and text == "do"
    ):
        rules.check_loop(scan, words)
        frame.words = []
        return True
    return False


def _first_keyword(frame: Command, text: str) -> bool:
    first = frame.words[0].first
    if text in _OPENING or text in _HEADED:
        frame.opened.append(first)
    if text in _LEADING:
        frame.words = []
    elif text in _CLOSING:
        if text == "esac" and frame.cases:
            frame.cases.pop()
        _close(frame)
    elif text == "[[":
        frame.condition = True
    else:
        return text in _HEADED
    return True


def _close(frame: Command) -> None:
    """A compound command ends; as a part of a pipeline it began where it was opened."""
    frame.words = []
    if frame.opened:
        frame.pipe_from = min(frame.pipe_from, frame.opened.pop())


# --- ends of commands --------------------------------------------------------------


def end_command(scan: Scan, frame: Command, *, pipe: bool = False) -> None:
    """The simple command that was being read, if any, is complete."""
    end_word(scan, frame)
    if frame.words and not (frame.cases and frame.cases[-1] == "pattern"):
        head = frame.words[0].plain
        if head == "case" and len(frame.words) == 2:
            return
        if frame.condition:
            return
        if head in ("for", "select"):
            rules.check_loop(scan, frame.words)
        else:
            rules.check_command(scan, frame)
        frame.words = []
    frame.strings = []
    frame.piped = pipe
    if not pipe:
        frame.pipe_from, frame.docs = len(scan.places), []
    frame.command_from = len(scan.places)


def _newline(scan: Scan, frame: Command) -> None:
    end_word(scan, frame)
    if frame.piped and not scan.text[frame.piped_at : scan.at].strip():
        frame.piped_at = scan.at + 1
    else:
        end_command(scan, frame)
    scan.at += 1
    heredoc.queue(scan, frame)


def _operator(scan: Scan, frame: Command) -> None:
    text, at = scan.text, scan.at
    if frame.condition:
        end_word(scan, frame)
        scan.at += 1
    elif text.startswith(";;", at) or text.startswith(";&", at):
        _end_of_case(scan, frame)
    elif text.startswith("&>", at):
        end_word(scan, frame)
        scan.at += 3 if text.startswith("&>>", at) else 2
        frame.redirect = ">"
    elif frame.cases and frame.cases[-1] == "pattern" and text[at] == "|":
        end_word(scan, frame)
        scan.at += 1
    else:
        double = text[at : at + 2] in ("&&", "||")
        end_command(scan, frame, pipe=text[at] == "|" and not double)
        scan.at += 2 if double or text.startswith("|&", at) else 1
        frame.piped_at = scan.at


def _end_of_case(scan: Scan, frame: Command) -> None:
    end_command(scan, frame)
    if not frame.cases or frame.cases[-1] != "body":
        raise _STRAY_BRACKET
    frame.cases[-1], frame.bracket = "pattern", False
    scan.at += 3 if scan.text.startswith(";;&", scan.at) else 2


# --- redirections and brackets -----------------------------------------------------


def _redirect(scan: Scan, frame: Command) -> None:
    if scan.peek() == "(" and not frame.condition:
        if frame.sink is None:
            frame.sink = Word(first=len(scan.places))
        frame.sink.substituted = True
        process(scan)
        return
    if frame.sink is not None and re.fullmatch(r"\d+|\{\w+\}", frame.sink.plain or ""):
        frame.sink = None
    end_word(scan, frame)
    if frame.condition:
        scan.at += 1
        return
    match = _REDIRECT.match(scan.text, scan.at, frame.limit)
    operator = match[0] if match else scan.text[scan.at]
    scan.at += len(operator)
    if operator in ("<<", "<<-"):
        heredoc.start(scan, frame, strip=operator == "<<-")
    else:
        frame.redirect = operator


def _open_bracket(scan: Scan, frame: Command) -> None:
    if frame.condition:
        _in_condition(scan, frame)
    elif frame.sink is not None:
        _bracket_in_word(scan, frame)
    elif frame.cases and frame.cases[-1] == "pattern" and not frame.words:
        frame.bracket = True
        scan.at += 1
    elif scan.peek() == "(" and (not frame.words or _is_for(frame)):
        scan.push(Sum(numbers=ARITHMETIC))
        scan.at += 2
    elif not frame.words:
        scan.push(Command(role="(", pipe_from=len(scan.places), command_from=len(scan.places)))
        scan.at += 1
    else:
        _function(scan, frame)


def _is_for(frame: Command) -> bool:
    return len(frame.words) == 1 and frame.words[0].plain == "for"


def _in_condition(scan: Scan, frame: Command) -> None:
    """In `[[ ]]` a bracket groups, or belongs to a pattern or a regular expression."""
    if frame.sink is not None:
        frame.sink.content.append(scan.text[scan.at])
    scan.at += 1


def _bracket_in_word(scan: Scan, frame: Command) -> None:
    word = frame.sink
    before = scan.text[scan.at - 1]
    if before == "=" and word is not None and (name := rules.assigned_name(word)):
        scan.arrays.add(name)
        word.content.append(None)
        scan.push(Group(array=True))
        scan.at += 1
    elif before in "?*+@!" and word is not None and (word.plain != "!" or frame.words):
        word.content.append(None)
        scan.push(Group())
        scan.at += 1
    else:
        end_word(scan, frame)
        _function(scan, frame)


def _function(scan: Scan, frame: Command) -> None:
    """`name()`; nothing else puts a bracket behind a word."""
    match = _EMPTY_BRACKETS.match(scan.text, scan.at, frame.limit)
    if match is None or len(frame.words) > 1:
        raise _STRAY_BRACKET
    scan.at = match.end()
    frame.words = []


def _close_bracket(scan: Scan, frame: Command) -> None:
    if frame.condition:
        _in_condition(scan, frame)
        return
    if frame.cases and frame.cases[-1] == "pattern":
        end_word(scan, frame)
        frame.cases[-1], frame.bracket, frame.words = "body", False, []
        scan.at += 1
        return
    end_command(scan, frame)
    if frame.role == "script" or frame.cases or frame.pending:
        raise _STRAY_BRACKET
    scan.stack.pop()
    scan.at += 1


_STEPS: dict[str, Callable[[Scan, Command], None]] = {
    " ": _blank,
    "\t": _blank,
    "\n": _newline,
    ";": _operator,
    "&": _operator,
    "|": _operator,
    "<": _redirect,
    ">": _redirect,
    "(": _open_bracket,
    ")": _close_bracket,
}
