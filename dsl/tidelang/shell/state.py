"""Where a scan of shell text stands: the frames it is in, the places it has met.

Only data and the few moves that all scanning modules share; what the characters mean is
said in `quoting`, `commands` and `heredoc`, what commands make of their arguments in
`rules`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from tidelang.shell.parts import Insert

HOLE = "\0"
"""Stands for a place in the scanned text: no shell text can hold one itself."""

DEPTH_LIMIT = 100


class Lost(Exception):
    """From here on nobody can say where quotes begin and end."""

    def __init__(self, message: str, help: str) -> None:  # noqa: A002
        super().__init__(message)
        self.message, self.help = message, help


class Form(Enum):
    """How a reference must be written."""

    BARE = auto()
    DOUBLE = auto()
    SINGLE = auto()
    ANSI = auto()
    SUM = auto()
    PLAIN = auto()
    COMMENT = auto()


@dataclass(slots=True, eq=False)
class Place:
    """One place and what is known of it. `numbers` says why only a number may stand
    there, empty where anything may; `word` is set where it is a command's whole word in
    its own right, `plain` where a shell reads it as part of an unquoted word."""

    insert: Insert
    at: int
    form: Form
    numbers: str = ""
    word: bool = False
    plain: bool = False
    refusal: tuple[str, str] | None = None

    def refuse(self, message: str, help: str) -> None:  # noqa: A002
        """The first reason stays; what is pasted as code is nobody's to refuse."""
        if self.refusal is None and self.insert.filter != "raw":
            self.refusal = (message, help)


Content = list[str | Place | None]
"""A word without its quotes; None stands for an expansion."""


@dataclass(slots=True)
class Word:
    first: int
    """How many places had been met when it began."""
    content: Content = field(default_factory=list)
    quoted: bool = False
    last: int = 0
    substituted: bool = False
    """It holds a process substitution."""

    @property
    def literal(self) -> str | None:
        """Its text, where it holds no expansion and no place."""
        parts = [part for part in self.content if isinstance(part, str)]
        return "".join(parts) if len(parts) == len(self.content) else None

    @property
    def plain(self) -> str | None:
        """Its text, where it is that literally: only then is it a keyword."""
        return None if self.quoted else self.literal

    @property
    def prefix(self) -> str:
        """The text in front of its first expansion or place."""
        text = ""
        for part in self.content:
            if not isinstance(part, str):
                break
            text += part
        return text

    @property
    def holes(self) -> list[Place]:
        """The places that stand in it directly, not in a substitution of its own."""
        return [part for part in self.content if isinstance(part, Place)]


@dataclass(slots=True)
class HereDoc:
    delimiter: str
    quoted: bool
    strip: bool
    at: int
    program: str = ""
    """What runs its text, where that is known."""


@dataclass(slots=True)
class Frame:
    limit: int = 0
    numbers: str = ""
    sink: Word | None = None
    """The word that the text here belongs to."""


@dataclass(slots=True)
class Double(Frame):
    """Between double quotes."""


@dataclass(slots=True)
class Body(Frame):
    """The text of a here-document with a bare delimiter."""

    resume: int = 0
    doc: HereDoc | None = None


@dataclass(slots=True)
class Param(Frame):
    """`${…}`. `mode`: head, word, pattern, number, unclear; `around`: what it stands in."""

    name: str = ""
    mode: str = "head"
    around: str = ""


@dataclass(slots=True)
class Sum(Frame):
    """Arithmetic up to `closer`: `))` or `]`."""

    closer: str = "))"
    form: Form = Form.SUM
    depth: int = 0


@dataclass(slots=True)
class Group(Frame):
    """The round brackets of `a=( … )` or of an extended pattern."""

    array: bool = False
    depth: int = 0


@dataclass(slots=True)
class Command(Frame):
    """A list of commands: the script, or what stands in `( )`, `$( )`, `<( )`."""

    role: str = "script"
    words: list[Word] = field(default_factory=list)
    redirect: str = ""
    condition: bool = False
    cases: list[str] = field(default_factory=list)
    bracket: bool = False
    """The pattern of a case began with its own `(`."""
    pending: list[HereDoc] = field(default_factory=list)
    bodies: list[HereDoc] = field(default_factory=list)
    docs: list[HereDoc] = field(default_factory=list)
    """Here-documents of this pipeline."""
    strings: list[Word] = field(default_factory=list)
    """Words behind `<<<` of this command."""
    opened: list[int] = field(default_factory=list)
    """Where each open compound command began, counted in places."""
    pipe_from: int = 0
    command_from: int = 0
    piped: bool = False
    piped_at: int = 0
    """Where the text behind the last `|` begins."""


@dataclass(slots=True)
class Scan:
    """The state of one scan."""

    text: str
    inserts: Sequence[Insert]
    bash: bool
    at: int = 0
    stack: list[Frame] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    integers: set[str] = field(default_factory=set)
    arrays: set[str] = field(default_factory=set)
    assigned: list[tuple[str, Place]] = field(default_factory=list)
    declared: list[tuple[str, Place]] = field(default_factory=list)
    second: list[Content] = field(default_factory=list)
    """Texts that a second shell reads, with places that are quoted for it."""

    def peek(self, offset: int = 1) -> str:
        """The character so far ahead, empty at the end."""
        at = self.at + offset
        return self.text[at] if at < len(self.text) else ""

    def push(self, frame: Frame) -> None:
        """Enter a frame; it inherits where its text ends and what may stand in it."""
        if len(self.stack) >= DEPTH_LIMIT:
            raise Lost(
                f"quotes and substitutions are nested more than {DEPTH_LIMIT} deep here",
                "write it in several steps",
            )
        if self.stack:
            above = self.stack[-1]
            frame.limit = frame.limit or above.limit
            frame.numbers = frame.numbers or above.numbers
        self.stack.append(frame)

    def place(self, form: Form) -> Place:
        """Note the place at the current character, and step over it."""
        frame = self.stack[-1]
        place = Place(self.inserts[len(self.places)], self.at, form, frame.numbers)
        self.places.append(place)
        if frame.sink is not None:
            frame.sink.content.append(place)
            place.plain = form is Form.BARE and isinstance(frame, Command)
        self.at += 1
        return place

    def refuse_until(self, end: int, message: str, help: str) -> None:  # noqa: A002
        """Refuse every place from the current character to `end`, and go there."""
        for _ in range(self.text.count(HOLE, self.at, end)):
            self.at = self.text.index(HOLE, self.at)
            self.place(Form.PLAIN).refuse(message, help)
        self.at = end

    def put(self, part: str | None) -> None:
        """Add to the word that is being read: its text, or None for an expansion."""
        sink = self.stack[-1].sink
        if sink is not None:
            sink.content.append(part)

    def commands(self) -> Iterator[Command]:
        """The open lists of commands, the innermost first."""
        return (frame for frame in reversed(self.stack) if isinstance(frame, Command))
