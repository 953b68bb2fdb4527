"""The scanner: one pass over a script that says of each place in which context it is.

Linear in the text, without recursion: what is open is a stack of frames. The scanner
understands what quoting needs and no more; where it is unsure it stops, and every place
from there on is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from tidelang.shell import commands, quoting, rules
from tidelang.shell.parts import Insert
from tidelang.shell.state import (
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
)

_STEPS: dict[type[Frame], Callable[[Scan, Any], None]] = {
    Command: commands.command,
    Double: quoting.double,
    Body: quoting.body,
    Param: quoting.parameter,
    Sum: quoting.arithmetic,
    Group: quoting.group,
}
_OPEN = Lost(
    "a quote or a bracket that was opened in this here-document is not closed in it",
    "close it before the document's last line",
)


def scan(text: str, inserts: Sequence[Insert], *, bash: bool) -> Scan:
    """Scan a script in which a NUL stands for each of `inserts`, in order."""
    state = Scan(text, inserts, bash)
    state.push(Command(limit=len(text)))
    try:
        while _step(state):
            pass
        _finish(state)
    except Lost as lost:
        _finish(state)
        _give_up(state, lost)
    rules.check_end(state)
    return state


def _step(state: Scan) -> bool:
    """Go one step; False at the end of the text."""
    frame = state.stack[-1]
    if state.at < frame.limit:
        _STEPS[type(frame)](state, frame)
        return True
    if isinstance(frame, Body):
        _end_document(state, frame)
        return True
    if frame.limit < len(state.text):
        raise _OPEN
    return False


def _end_document(state: Scan, frame: Body) -> None:
    state.stack.pop()
    state.at = min(frame.resume, state.stack[-1].limit)
    if frame.sink is not None and frame.doc is not None:
        rules.check_document(state, frame.sink, frame.doc.program)


def _finish(state: Scan) -> None:
    """Judge what is still open at the end: it may run, whatever the shell says then."""
    while state.stack:
        frame = state.stack[-1]
        if isinstance(frame, Body):
            state.stack.pop()
            if frame.sink is not None and frame.doc is not None:
                rules.check_document(state, frame.sink, frame.doc.program)
            continue
        if isinstance(frame, Command):
            with suppress(Lost):
                commands.end_command(state, frame)
        state.stack.pop()


def _give_up(state: Scan, lost: Lost) -> None:
    """Refuse the places that were not reached."""
    state.push(Frame(limit=len(state.text)))
    while len(state.places) < len(state.inserts):
        state.place(Form.PLAIN).refuse(lost.message, lost.help)
