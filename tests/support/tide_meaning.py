"""Files that make sense, at random: names that exist, types that fit, steps that run."""

from __future__ import annotations

from random import Random

from tide_layout import Layout, Part

TYPES = ["string", "int", "bool", "list(string)"]


class Values(Layout):
    """Expressions by type, of the names in `scope`."""

    def __init__(self, random: Random, *, plain: bool = False) -> None:
        super().__init__(random, plain=plain)
        self.scope: dict[str, str] = {}
        self.depth = 0

    def value(self, type_: str) -> str:
        """An expression of a type."""
        self.depth += 1
        known = [name for name, its in self.scope.items() if its == type_]
        forms = {"string": self.a_string, "int": self.an_int, "bool": self.a_bool,
                 "list(string)": self.a_list}  # fmt: skip
        text = self.one_of(known) if known and self.maybe() else forms[type_]()
        self.depth -= 1
        return text

    def of(self, type_: str) -> Part:
        return lambda: self.value(type_)

    def literal_only(self) -> bool:
        return self.depth > 3 or self.maybe()

    def a_string(self) -> str:
        if self.literal_only():
            return self.one_of(['"a"', '"two words"', '"é漢"', 'r"c:\\d"', '"x\\ty"', '"\\{{ x"'])
        forms: list[Part] = [
            lambda: self.call("upper", "string"),
            self.choice,
            lambda: self.signs(self.of("list(string)"), "|", self.joined_with),
            self.template,
        ]
        return self.brackets("(", [self.one_of(forms)], comma=False)

    def choice(self) -> str:
        return self.words(self.of("string"), "if", self.of("bool"), "else", self.of("string"))

    def joined_with(self) -> str:
        return "join" + self.brackets("(", [lambda: '", "'])

    def template(self) -> str:
        with self.within(joined=True, one_line=True):
            return '"of {{' + self.gap() + self.value("string") + self.gap() + '}}!"'

    def call(self, name: str, type_: str) -> str:
        return name + self.gap() + self.brackets("(", [self.of(type_)])

    def an_int(self) -> str:
        if self.literal_only():
            return self.one_of(["0", "1", "1_000", "42"])
        forms: list[Part] = [
            lambda: self.call("len", "list(string)"),
            lambda: self.brackets(
                "(", [lambda: self.signs(self.of("int"), "+", self.of("int"))], comma=False
            ),
            lambda: self.signs("-", "7"),
        ]
        return self.one_of(forms)()

    def a_bool(self) -> str:
        if self.literal_only():
            return self.one_of(["true", "false"])
        forms: list[Part] = [
            lambda: self.signs(self.of("int"), "<", self.of("int")),
            lambda: self.words(self.of("string"), "in", self.of("list(string)")),
            lambda: self.words("not", self.of("bool")),
            lambda: self.words(self.of("bool"), self.one_of(["and", "or"]), self.of("bool")),
        ]
        return self.brackets("(", [self.one_of(forms)], comma=False)

    def a_list(self) -> str:
        if self.depth > 3 or self.maybe(3) is False:
            return self.brackets("[", [self.of("string") for _ in self.several(4, 1)])
        if self.maybe():
            return self.call("sorted", "list(string)")
        parts = ["upper(item)", "for", "item", "in", self.of("list(string)")]
        return self.brackets("[", [lambda: self.words(*parts)], comma=False)


class Meaning(Values):
    """A file with a pipeline."""

    def file(self) -> str:
        lets: list[Part] = [self.let_of(f"let_{at}") for at in self.several(3)]
        return self.items([*lets, self.pipeline]) + ("" if self.maybe() else self.line_end())

    def let_of(self, name: str) -> Part:
        return lambda: self.declared("let", name, self.one_of(TYPES), typed=False)

    def param_of(self, name: str) -> Part:
        return lambda: self.declared("param", name, self.one_of(TYPES), typed=True)

    def declared(self, word: str, name: str, type_: str, *, typed: bool) -> str:
        text = self.words(word, name)
        if typed:
            text = self.signs(text, ":", type_)
        # A param's default is worked out by itself.
        outside, self.scope = self.scope, {} if typed else self.scope
        text = self.signs(text, "=", self.of(type_))
        self.scope = {**outside, name: type_}
        return text

    def pipeline(self) -> str:
        items: list[Part] = [self.param_of(f"param_{at}") for at in self.several(3)]
        items += [self.description] if self.maybe() else []
        items += [self.schedule] if self.maybe() else []
        items += [self.defaults] if self.maybe() else []
        items += [self.step_of(at) for at in self.several(4, 1)]
        return self.words("pipeline", "main") + self.gap() + self.braces(items)

    def description(self) -> str:
        return self.signs("description", "=", lambda: '"What it is for"')

    def schedule(self) -> str:
        settings: list[Part] = [
            lambda: self.signs("timezone", "=", '"Europe/Berlin"'),
            lambda: self.signs("overlap", "=", "skip"),
            lambda: self.signs("jitter", "=", "30s"),
        ]
        due = self.one_of(['"0 2 * * mon-fri"', "15m", '"@daily"'])
        return self.words("schedule", due) + self.gap() + self.braces(settings)

    def defaults(self) -> str:
        return "defaults" + self.gap() + self.braces([self.timeout, self.retry, self.env])

    def timeout(self) -> str:
        return self.signs("timeout", "=", self.one_of(["10m", "1h30m", "90s"]))

    def retry(self) -> str:
        failed: list[Part] = [lambda: "failed", lambda: "timeout"]
        settings: list[Part] = [
            lambda: self.signs("attempts", "=", "3"),
            lambda: self.signs("on", "=", lambda: self.brackets("[", failed)),
        ]
        return "retry" + self.gap() + self.braces(settings)

    def env(self) -> str:
        settings: list[Part] = [
            lambda: self.signs("LEVEL", "=", self.of("int")),
            lambda: self.signs("A_NAME", "=", self.of("string")),
        ]
        return "env" + self.gap() + self.braces(settings)

    def step_of(self, number: int) -> Part:
        return lambda: self.step(number)

    def step(self, number: int) -> str:
        text, outside = self.words("step", f"step_{number}"), self.scope
        if self.maybe(3):
            items = '["x", "y", "z"]'
            text = self.words(text, "for", "each", "in", items)
            self.scope = {**self.scope, "each": "string"}
        items_: list[Part] = [self.run]
        items_ += [self.timeout] if self.maybe() else []
        items_ += [self.env] if self.maybe() else []
        items_ += [self.retry] if self.maybe(4) else []
        items_ += [lambda: self.needs(number)] if number and self.maybe() else []
        items_ += [lambda: self.signs("when", "=", self.of("bool"))] if self.maybe(3) else []
        if self.maybe(3):
            items_.append(lambda: self.signs(self.words("output", "value"), ":", "string"))
        text += self.gap() + self.braces(items_)
        self.scope = outside
        return text

    def needs(self, number: int) -> str:
        names: list[Part] = [lambda: f"step_{number - 1}"]
        return self.signs("needs", "=", lambda: self.brackets("[", names))

    def run(self) -> str:
        if self.maybe(4):
            words: list[Part] = [lambda: '"echo"', self.of("string"), self.of("string")]
            return self.signs("run", "=", lambda: self.brackets("[", words))
        return self.signs("run", "=", self.script)

    def script(self) -> str:
        if self.one_line or self.maybe(3):
            return '"echo ' + self.shell_hole() + '"'
        margin, end = self.one_of(["", "  ", "\t", "        "]), self.one_of(["\n", "\r\n"])
        lines: list[Part] = [
            lambda: "",
            lambda: margin + "  ",
            lambda: margin + "set -e",
            lambda: margin + '  echo "{{ 1 + 1 }}"',
            lambda: f"{margin}echo {self.long_hole()}",
        ]
        picked = [self.one_of(lines)() for _ in self.several(4)]
        body = end.join([f"{margin}echo start", *picked])
        return f'"""{end}{body}{end}{self.one_of([margin, ""])}"""'

    def shell_hole(self) -> str:
        with self.within(joined=True, one_line=True):
            return "{{" + self.gap() + self.value("string") + self.gap() + "}}"

    def long_hole(self) -> str:
        with self.within(joined=True):
            return "{{ " + self.value("string") + self.gap() + "}}"
