"""All that the grammar of Tide knows, at random: files without a mistake of syntax."""

from __future__ import annotations

from functools import partial

from tide_layout import Layout, Part

WORDS = ["a", "b", "name", "_x1", "r", "Long_name_that_takes_room", "steps", "x", "lets"]
KEYWORDS = ["let", "param", "step", "if", "in", "not", "for", "true", "as", "pipeline"]
NUMBERS = ["0", "7", "1_000", "1.5", "12345678901234567", "0.25", "3"]
DURATIONS = ["500ms", "1h30m", "7d", "1.5s", "2w"]
SIZES = ["512MiB", "10MB", "1.5KiB", "3B"]
COMPARISONS = ["==", "!=", "<", "<=", ">", ">=", "in", "not in"]
CHARACTERS = ["a", "word", " ", "#", "'", "}}", "{ ", "é", "漢字", "$x", "\\t", '\\"', "\\\\",
              "\\{{", "\\u{e9}"]  # fmt: skip
LINES = ["echo", "x # y", "a  b", '"q"', "\\d", "}}", "{ x", "漢", "\\{{ x", "$(y)", "é"]
MARGINS = ["", "  ", "    ", "      ", "\t", "\t ", "         "]


class Texts(Layout):
    """Strings of every form; `hole` says what stands in their holes."""

    def hole(self) -> str:
        raise NotImplementedError

    def string(self, depth: int = 0) -> str:
        forms = [self.plain_string, self.raw_string, self.raw_long_string]
        if depth < 3:
            forms += [self.template] * 2
            forms += [] if self.one_line else [self.long_string] * 2
        return self.one_of(forms)()

    def plain_string(self) -> str:
        return '"' + "".join(self.one_of(CHARACTERS) for _ in self.several(4)) + '"'

    def raw_string(self) -> str:
        return 'r"' + self.one_of(["", "\\d+", "{{ x }}", "a'b", "\\"]) + '"'

    def raw_long_string(self) -> str:
        if self.one_line:
            return 'r"""a "b" {{ x }} \\"""'
        return 'r"""' + self.long_text(lambda: "{{ raw }}", raw=True) + '"""'

    def template(self) -> str:
        parts = [self.one_of(CHARACTERS[:-4]) for _ in self.several(3)]
        with self.within(joined=True, one_line=True):
            parts.append(self.whole_hole())
        return '"' + "".join(parts) + '"'

    def long_string(self) -> str:
        with self.within(joined=True):
            return '"""' + self.long_text(self.whole_hole) + '"""'

    def whole_hole(self) -> str:
        return "{{" + self.gap() + self.hole() + self.gap() + "}}"

    def long_text(self, hole: Part, *, raw: bool = False) -> str:
        """Lines with a margin that one of them shows bare; sometimes just a word."""
        if self.maybe(6):
            return "just a word"
        margin, end = self.one_of(MARGINS), self.one_of(["\n", "\n", "\r\n"])
        lines = [self.line(margin, hole, raw=raw) for _ in self.several(4)]
        lines.insert(self.random.randrange(len(lines) + 1), margin + "bare")
        first = self.one_of(["", "", "", " ", "  beside", "\\d"])
        last = self.one_of([margin, "", "  ", "\t"])
        text = first + end + end.join(lines)
        return text + (end + last if self.maybe(4) is False else "")

    def line(self, margin: str, hole: Part, *, raw: bool) -> str:
        if self.maybe(3):
            return self.one_of(["", margin, margin + "  ", " ", "\t", margin + "\t"])
        lines = LINES if raw else [*LINES, '\\""" x']
        parts = [self.one_of(lines) for _ in self.several(2, 1)]
        if self.maybe():
            parts.insert(self.random.randrange(len(parts) + 1), hole())
        return margin + self.one_of(["", "", "  ", "\t", " \t"]) + " ".join(parts)


class Expressions(Texts):
    """Expressions, the loosest binding first, as the grammar has them."""

    depth = 0
    written = 0
    """Expressions and items so far: behind many, only small ones are written."""

    def hole(self) -> str:
        return self.expression()

    @property
    def deep(self) -> bool:
        return self.depth > 3 or self.written > 120

    def expression(self) -> str:
        self.depth += 1
        self.written += 1
        text = (
            self.atom() if self.deep else self.one_of([self.piped, self.conditional, self.atom])()
        )
        self.depth -= 1
        return text

    def piped(self) -> str:
        text = self.conditional()
        for _ in self.several(2):
            text = self.signs(text, "|", self.function)
        return text

    def function(self) -> str:
        name = self.one_of([self.name, self.member])()
        return name + self.gap_in_line() + self.arguments() if self.maybe() else name

    def gap_in_line(self) -> str:
        return self.gap()

    def conditional(self) -> str:
        if self.maybe(4) and not self.deep:
            self.written += 1
            return self.words(self.disjunction, "if", self.disjunction, "else", self.conditional)
        return self.disjunction()

    def disjunction(self) -> str:
        return self.chain(self.conjunction, ["or"])

    def conjunction(self) -> str:
        return self.chain(self.inversion, ["and"])

    def chain(self, operand: Part, operators: list[str]) -> str:
        text = operand()
        while self.maybe(5) and not self.deep:
            self.written += 1
            text = self.words(text, self.one_of(operators), operand)
        return text

    def inversion(self) -> str:
        if self.deep or not self.maybe(8):
            return self.comparison()
        self.written += 1  # so that chance alone does not nest them without end
        return self.words("not", self.inversion)

    def comparison(self) -> str:
        if not self.maybe(5):
            return self.sum()
        operator = self.one_of(COMPARISONS)
        return self.words(self.sum, *operator.split(), self.sum)

    def sum(self) -> str:
        return self.chain(self.product, ["+", "-"])

    def product(self) -> str:
        return self.chain(self.unary, ["*", "/", "%"])

    def unary(self) -> str:
        if self.deep or not self.maybe(8):
            return self.postfix()
        self.written += 1
        return self.signs("-", self.unary)

    def postfix(self) -> str:
        text = self.atom()
        while self.maybe(5):
            text += self.gap_in_line() + self.one_of([self.dotted, self.index, self.arguments])()
        return text

    def dotted(self) -> str:
        # A number and a dot would grow together with digits, never with a word.
        return self.signs(".", self.one_of(WORDS + KEYWORDS))

    def member(self) -> str:
        return self.signs(self.name, ".", self.one_of(WORDS + KEYWORDS))

    def index(self) -> str:
        return self.brackets("[", [self.expression], comma=False)

    def arguments(self) -> str:
        given: list[Part] = [self.expression for _ in self.several(2)]
        given += [self.named for _ in self.several(2)]
        return self.brackets("(", given, comma=bool(given))

    def named(self) -> str:
        return self.signs(self.name, "=", self.expression)

    def atom(self) -> str:
        simple: list[Part] = [self.name, self.name, self.literal, self.string_here]
        nested: list[Part] = [self.group, self.list_, self.object, self.comprehension]
        return self.one_of(simple if self.deep else simple + nested)()

    def string_here(self) -> str:
        return self.string(self.depth)

    def name(self) -> str:
        return self.one_of(WORDS)

    def literal(self) -> str:
        return self.one_of([*NUMBERS, *DURATIONS, *SIZES, "true", "false", "null"])

    def group(self) -> str:
        return self.brackets("(", [self.expression], comma=False)

    def list_(self) -> str:
        parts: list[Part] = [self.expression for _ in self.several(4)]
        return self.brackets("[", parts, comma=bool(parts))

    def object(self) -> str:
        return self.braces([self.entry for _ in self.several(3)])

    def entry(self) -> str:
        return self.signs(self.one_of([self.name, lambda: '"b-c"', lambda: '"漢 ="']), "=",
                          self.expression)  # fmt: skip

    def comprehension(self) -> str:
        return self.brackets("[", [self.walk], comma=False)

    def walk(self) -> str:
        parts: list[str | Part] = [self.expression, "for", self.targets, "in", self.disjunction]
        parts += ["if", self.disjunction] if self.maybe() else []
        return self.words(*parts)

    def targets(self) -> str:
        if self.maybe():
            return self.name()
        return self.brackets("(", [self.name for _ in self.several(3, 1)])


class Grammar(Expressions):
    """Files of items of every kind, in every place that the grammar has for them."""

    def file(self) -> str:
        start = self.one_of(["", "", "\ufeff"]) + (self.line_end() if self.maybe() else "")
        text = start + self.items([self.item for _ in self.several(5)])
        if self.maybe(4):
            return text + self.blank() + self.comment()
        return text + (self.line_end() if text != start and self.maybe() else "")

    def item(self) -> str:
        self.depth += 1
        self.written += 1
        kinds = [self.attribute, self.block, self.import_, self.let, self.param, self.output,
                 self.step, self.task, self.pipeline]  # fmt: skip
        text = self.one_of(kinds)()
        self.depth -= 1
        return text

    def body(self) -> str:
        return self.braces([self.item for _ in self.several(0 if self.deep else 4)])

    def and_body(self, text: str) -> str:
        return text + self.gap() + self.body() if self.maybe() else text

    def attribute(self) -> str:
        return self.signs(self.name, "=", self.expression)

    def block(self) -> str:
        return self.and_body(self.words(self.name, *(self.label for _ in self.several(2))))

    def label(self) -> str:
        return self.one_of(
            [self.name, partial(self.string, 2), lambda: "15m", lambda: "step", lambda: "task"]
        )()

    def import_(self) -> str:
        return self.words("import", partial(self.string, 2), "as", self.name)

    def let(self) -> str:
        return self.signs(self.words("let", self.name), "=", self.expression)

    def param(self) -> str:
        text = self.words("param", self.name)
        return self.and_body(self.typed(text))

    def output(self) -> str:
        return self.typed(self.words("output", self.name))

    def typed(self, text: str) -> str:
        if self.maybe():
            text = self.signs(text, ":", self.type)
        if self.maybe():
            text = self.signs(text, "=", self.expression)
        return text

    def type(self) -> str:
        forms = [self.name, self.union, self.bounded, self.generic]
        return self.one_of(forms[:3] if self.deep else forms)()

    def union(self) -> str:
        text = self.plain_string()
        for _ in self.several(2):
            text = self.signs(text, "|", self.plain_string)
        return text

    def bounded(self) -> str:
        low = self.one_of(["", "1", "-0.5", "- 3"])
        high = self.one_of(["", "16", "-2"])
        return self.name() + self.gap_in_line() + self.brackets(
            "(", [lambda: self.signs(low, "..", high)], comma=False
        )  # fmt: skip

    def generic(self) -> str:
        self.depth += 1
        parts: list[Part] = [self.type for _ in self.several(2, 1)]
        text = self.name() + self.gap_in_line() + self.brackets("(", parts, comma=False)
        self.depth -= 1
        return text

    def step(self) -> str:
        parts: list[str | Part] = ["step", self.name]
        if self.maybe(3):
            parts += ["for", self.targets, "in", self.expression]
        text = self.words(*parts)
        if self.maybe(3):
            before = self.words("pipeline", self.name) if self.maybe() else self.name()
            text = self.signs(text, "=", before) + self.gap_in_line() + self.arguments()
        return self.and_body(text)

    def task(self) -> str:
        text = self.words("task", self.name)
        if self.maybe():
            parts: list[Part] = [self.parameter for _ in self.several(3)]
            text += self.gap_in_line() + self.brackets("(", parts, comma=bool(parts))
        return self.and_body(text)

    def parameter(self) -> str:
        return self.typed(self.name())

    def pipeline(self) -> str:
        return self.and_body(self.words("pipeline", self.name))
