"""Looks for time that grows faster than what is read.

    python tests/benchmarks/growth.py              every shape
    python tests/benchmarks/growth.py strings      those with this word in their name

Each shape is a text made n and 4n times as large, as far as the limits allow, and compiled in
one process; the exponent e in `time = c * size ^ e` is 1 where the time is linear. A shape
above 1.3 is marked, and makes the exit code 1.
"""

from __future__ import annotations

import gc
import math
import sys
import time
from collections.abc import Callable, Iterator

from tidelang.compiler import NoPlugins, compile_source
from tidelang.formatting import format_source
from tidelang.source import Source

LIMIT = 1.3
FIRST = 0.05
"""Seconds that the smaller of the two takes, at least: below, the clock decides."""

Make = Callable[[int], str]


def lines(n: int, form: str, around: str = "{}") -> str:
    return around.format("\n".join(form.replace("#", str(i)) for i in range(n)))


def joined(n: int, form: str, by: str, around: str) -> str:
    return around.replace("@", by.join(form.replace("#", str(i)) for i in range(n)))


PIPELINE = "pipeline p {{\n{}\n}}\n"
STEP = "pipeline p {\n  param x: string\n  param xs: list(string)\n  step a { @ }\n}\n"

SHAPES: dict[str, Make] = {
    "steps": lambda n: lines(n, '  step s# { run = "make" }', PIPELINE),
    "chain of needs": lambda n: "pipeline p {\n  step s0 { run = \"x\" }\n" + "\n".join(
        f'  step s{i} {{ needs = [s{i - 1}], run = "x" }}' for i in range(1, n)) + "\n}\n",
    "one step needs all": lambda n: "pipeline p {\n" + lines(n, '  step s# { run = "x" }')
        + "\n  step z { needs = [" + ", ".join(f"s{i}" for i in range(n)) + '], run = "x" }\n}\n',
    "a cycle of all": lambda n: "pipeline p {\n" + "\n".join(
        f'  step s{i} {{ needs = [s{(i + 1) % n}], run = "x" }}' for i in range(n)) + "\n}\n",
    "lets in a chain": lambda n: "let v0 = 1\n" + "\n".join(
        f"let v{i} = v{i - 1} + 1" for i in range(1, n)) + "\n",
    "lets in a circle": lambda n: "\n".join(f"let v{i} = v{(i + 1) % n}" for i in range(n)) + "\n",
    "params": lambda n: "pipeline p {\n" + lines(n, "  param v#: string")
        + '\n  step a { run = "echo ' + " ".join(f"{{{{ v{i} }}}}" for i in range(n)) + '" }\n}\n',
    "pipelines": lambda n: lines(n, 'pipeline p# { step a { run = "x" } }'),
    "calls of pipelines": lambda n: 'pipeline p0 { step a { run = "x" } }\n' + "\n".join(
        f"pipeline p{i} {{ step a = pipeline p{i - 1}() }}" for i in range(1, n)) + "\n",
    "calls of a task": lambda n: 'task t(x: string) { run = "echo {{ x }}" }\n'
        + lines(n, '  step s# = t("#")', PIPELINE),
    "tasks": lambda n: lines(n, 'task t#(x: string) { run = "echo {{ x }}" }'),
    "outputs": lambda n: 'pipeline p {\n  step a {\n    run = "x"\n'
        + lines(n, "    output o#: string") + '\n  }\n  step b { run = "echo '
        + " ".join(f"{{{{ a.o{i} }}}}" for i in range(n)) + '" }\n}\n',
    "items of a list": lambda n: joined(n, '"#"', ", ", "let xs = [@]\n"),
    "items of an object": lambda n: joined(n, "k# = #", ", ", "let xs = { @ }\n"),
    "comments": lambda n: lines(n, "# comment #") + "\n",
    "blank lines": lambda n: "\n" * n,
    "separators": lambda n: ";" * n,
    "holes of a string": lambda n: joined(n, "{{ x }}", " ", STEP.replace("@", 'run = "echo @"')),
    "holes of a list": lambda n: joined(n, '"{{ x }}"', ", ", STEP.replace("@", "run = [@]")),
    "text of a script": lambda n: STEP.replace("@", 'run = """\n' + "echo a b c\n" * n + '"""'),
    "quotes of a script": lambda n: STEP.replace(
        "@", 'run = r"""\n' + "echo 'a' \"b\"\n" * n + '"""'),
    "scripts of commands in commands": lambda n: STEP.replace(
        "@", 'run = """\n' + "echo $(echo {{ x }})\n" * n + '"""'),
    "here-documents": lambda n: STEP.replace(
        "@", 'run = """\n' + "cat <<E\n{{ x }}\nE\n" * n + '"""'),
    "here-documents on a line": lambda n: STEP.replace(
        "@", 'run = """\ncat ' + "<<E " * n + "\n" + "{{ x }}\nE\n" * n + '"""'),
    "cases of a script": lambda n: STEP.replace(
        "@", 'run = """\n' + "case {{ x }} in a) b ;; esac\n" * n + '"""'),
    "unclosed $( of a script": lambda n: STEP.replace("@", 'run = "echo ' + "$( " * n + '{{ x }}"'),
    "unclosed quotes of a script": lambda n: STEP.replace(
        "@", 'run = """\n' + "echo \\\"a {{ x }}\n" * n + '"""'),
    "env": lambda n: "pipeline p {\n  step a {\n    env {\n" + lines(n, '      V# = "#"')
        + '\n    }\n    run = "x"\n  }\n}\n',
    "mistakes: names": lambda n: lines(n, '  step s# { run = "{{ nme# }}" }', PIPELINE),
    "mistakes: near names": lambda n: lines(n, "  param value_#: string", "pipeline p {{\n{}\n")
        + lines(n, '  step s# { run = "{{ valeu_# }}" }') + "\n}\n",
    "mistakes: duplicates": lambda n: lines(n, '  step s { run = "x" }', PIPELINE),
    "mistakes: attributes": lambda n: lines(n, '  step s# { rum = "x" }', PIPELINE),
    "mistakes: attributes of one": lambda n: "pipeline p {\n  step a {\n" + lines(n, "    rum# = 1")
        + "\n  }\n}\n",
    "mistakes: types": lambda n: lines(n, "  step s# { run = 3 }", PIPELINE),
    "mistakes: unknown needs": lambda n: lines(
        n, '  step s# { needs = [t#], run = "x" }', PIPELINE),
    "mistakes: signs": lambda n: "$ " * n,
    "mistakes: open braces": lambda n: "step a {\n" * n,
    "mistakes: closing braces": lambda n: "}\n" * n,
    "mistakes: open lists": lambda n: "x = [\n" * n,
    "mistakes: open calls": lambda n: "x = f(\n" * n,
    "mistakes: open strings": lambda n: 'x = "a\n' * n,
    "mistakes: open long strings": lambda n: 'x = """a\ny = 1\n' * n + '"""',
    "mistakes: open raw strings": lambda n: 'x = r"""a\ny = 1\n' * n,
    "mistakes: open holes": lambda n: 'x = "{{ a"\n' * n,
    "mistakes: open holes on a line": lambda n: 'x = "' + "{{ a " * n + '"\n',
    "mistakes: open holes of long strings": lambda n: 'x = """\n' + "{{ a \n" * n + '"""\n',
    "mistakes: closing brackets": lambda n: "x = 1 )\n" * n,
    "mistakes: wrong brackets": lambda n: "x = [1)\n" * n,
    "mistakes: words": lambda n: "step step step\n" * n,
    "mistakes: equals signs": lambda n: "x = = 1\n" * n,
    "mistakes: colons": lambda n: "x : 1\n" * n,
    "mistakes: schedules": lambda n: lines(n, '  schedule "61 # * * *"', PIPELINE),
    "operators in a row": lambda n: joined(n, "1", " + ", "let x = @\n"),
    "brackets in brackets": lambda n: "let x = " + "(" * n + "1" + ")" * n + "\n",
    "dots in a row": lambda n: "let x = a" + ".b" * n + "\n",
    "pipes in a row": lambda n: 'let x = "a"' + " | upper" * n + "\n",
    "conditions in a row": lambda n: "let x = " + "1 if true else " * n + "2\n",
    "members of a type": lambda n: joined(n, '"m#"', " | ", "pipeline p {\n  param x: @\n}\n"),
    "a long name": lambda n: "let " + "x" * n + " = 1\n",
    "a long number": lambda n: "let x = " + "1" * n + "\n",
    "a long string": lambda n: 'let x = "' + "a" * n + '"\n',
    "escapes of a string": lambda n: 'let x = "' + "\\n" * n + '"\n',
    "lines of a long string": lambda n: 'let x = """\n' + "    a\n" * n + '"""\n',
    "triggers": lambda n: lines(n, '  trigger event "e#" {}', PIPELINE),
    "schedules": lambda n: lines(n, '  schedule "# 2 * * *" {}', PIPELINE),
    "fan-outs over a product": lambda n: lines(
        n, '  step s# for (a, b) in product([1], [2]) { run = "echo {{ a }}" }', PIPELINE),
}  # fmt: skip


def seconds(work: Callable[[Source], object], text: str) -> float:
    """The least of three."""
    best = math.inf
    for _ in range(3):
        gc.collect()
        begun = time.process_time()
        work(Source("growth.tide", text))
        best = min(best, time.process_time() - begun)
    return best


def compile_(source: Source) -> object:
    return compile_source(source, NoPlugins())


WORK = {"compile": compile_, "fmt": format_source}


def measured(make: Make, work: Callable[[Source], object]) -> tuple[int, float, float]:
    """The size n, and the times for n and 4n."""
    n = 50
    while (took := seconds(work, make(n))) < FIRST and len(make(4 * n)) < 1_500_000:
        n *= 2
    return n, took, seconds(work, make(4 * n))


def rows(word: str) -> Iterator[tuple[str, int, float, float, float]]:
    for name, make in SHAPES.items():
        if word not in name:
            continue
        for kind, work in WORK.items():
            n, small, large = measured(make, work)
            exponent = math.log(large / small, 4) if small > 0.002 else 0.0
            yield f"{kind}: {name}", n, small, large, exponent


def main() -> int:
    print(f"{'shape':44} {'n':>7} {'seconds':>9} {'at 4n':>9} {'exponent':>9}")
    bad = 0
    for name, n, small, large, exponent in rows(sys.argv[1] if len(sys.argv) > 1 else ""):
        mark = "  <<<" if exponent > LIMIT else ""
        bad += bool(mark)
        print(f"{name:44} {n:7} {small:9.3f} {large:9.3f} {exponent:9.2f}{mark}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
