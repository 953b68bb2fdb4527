"""The promise, shown with real shells: a value arrives unchanged and is never code.

Each template stands for a context; each is run by `sh` and `bash` with hostile values,
many in one process. What arrives is compared as bytes, and no canary may be there.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hostile import HOSTILE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidelang.definition import Script, Variable
from tidelang.shell import Filled, Insert, Shell, Woven, fill, weave
from tidelang.values import Value

SHAPES = {"x": "scalar", "n": "number", "xs": "list", "u": "unknown"}


def cut(template: str) -> tuple[list[str | Insert], list[str]]:
    """The template's parts, and for each insert the name of the value it takes."""
    parts: list[str | Insert] = []
    names: list[str] = []
    for piece in re.split(r"(\{\{.*?\}\})", template):
        if piece.startswith("{{"):
            name, _, how = (word.strip() for word in piece[2:-2].partition("|"))
            parts.append(Insert(len(names), SHAPES[name], how))  # type: ignore[arg-type]
            names.append(name)
        elif piece:
            parts.append(piece)
    return parts, names


def filled(woven: Woven, names: Sequence[str], values: dict[str, Value]) -> Filled:
    variables = tuple(
        Variable(f"TIDE_V{at}", woven.kinds[at], ("lit", None)) for at in range(len(names))
    )
    return fill(Script(woven.parts, variables), [values[name] for name in names])


def run_all(shell: str, folder: Path, scripts: Sequence[Filled]) -> list[bytes | None]:
    """Run scripts, each in a subshell of one process with its variables, and give what
    each wrote to `$OUT`."""
    # a shell reads a whole subshell before `shopt` in it could tell it of patterns
    driver = ["shopt -s extglob\n"] if shell == "bash" else []
    for at, script in enumerate(scripts):
        exports = "".join(f"export {k}={shlex.quote(v)}\n" for k, v in script.env.items())
        driver.append(f"(\nOUT=out{at}\n{exports}{script.text}\n)\n")
    (folder / "driver").write_bytes("".join(driver).encode("utf-8", "surrogateescape"))
    subprocess.run(
        [shell, "driver"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(folder)},
    )
    outs = [folder / f"out{at}" for at in range(len(scripts))]
    return [out.read_bytes() if out.exists() else None for out in outs]


def canaries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*canary*"))


def same(value: str) -> str:
    return value


def line(value: str) -> str:
    return value + "\n"


def dot(value: str) -> str:
    return value + "."


P = "printf %s {{x}} >$OUT"

TEMPLATES: list[tuple[str, str, Callable[[str], str]]] = [
    ("bare word", P, same),
    ("in a longer word", "printf %s a{{x}}b >$OUT", lambda v: f"a{v}b"),
    ("two side by side", "printf %s {{x}}{{x}} >$OUT", lambda v: v + v),
    ("name goes on", 'printf %s "{{x}}y_1" >$OUT', lambda v: v + "y_1"),
    ("double quotes", 'printf %s "a {{x}} b" >$OUT', lambda v: f"a {v} b"),
    ("double quotes, bracket", 'printf %s "{{x}}[1]" >$OUT', lambda v: v + "[1]"),
    ("single quotes", "printf %s 'a {{x}} \"b' >$OUT", lambda v: f'a {v} "b'),
    ("single quotes alone", "printf %s '{{x}}' >$OUT", same),
    ("all quotes in one word", """printf %s a'{{x}}'"{{x}}"{{x}} >$OUT""", lambda v: "a" + v * 3),
    ("escaped quote before", 'printf %s \\"{{x}} >$OUT', lambda v: '"' + v),
    ("escaped backslash before", "printf %s \\\\{{x}} >$OUT", lambda v: "\\" + v),
    ("escaped quotes inside", 'printf %s "\\"{{x}}\\"" >$OUT', lambda v: f'"{v}"'),
    ("line continued", "printf %s \\\n  {{x}} \\\n  >$OUT", same),
    ("word continued", "printf %s a\\\n{{x}} >$OUT", lambda v: "a" + v),
    ("hash inside a word", "printf %s {{x}}#y >$OUT # {{x}}", lambda v: v + "#y"),
    ("after $#", "printf %s $#{{x}} >$OUT", lambda v: "0" + v),
    ("after ${#y}", 'y=abc; printf %s "${#y}{{x}}" >$OUT', lambda v: "3" + v),
    ("after $$", 'printf %s "${y}$y{{x}}" >$OUT', same),
    ("comment", "# it's {{x}} \"\n" + P + " # {{x}} '", same),
    ("comment with a list", "# {{xs}}\n" + P, same),
    ("assignment", 'y={{x}}; printf %s "$y" >$OUT', same),
    ("assignment before a command", "y={{x}} sh -c 'printf %s \"$y\"' >$OUT", same),
    ("export", 'export y={{x}}; printf %s "$y" >$OUT', same),
    ("local", 'f() { local y="{{x}}"; printf %s "$y"; }; f >$OUT', same),
    ("positional", 'set -- {{x}} b; printf %s "$1" >$OUT', same),
    ("substitution", 'printf %s "$(printf %s. {{x}})" >$OUT', dot),
    ("quotes in a substitution in quotes", 'printf %s "$(printf %s. "{{x}}")" >$OUT', dot),
    ("single in a substitution in quotes", "printf %s \"$(printf %s. '{{x}}')\" >$OUT", dot),
    (
        "substitutions three deep",
        'printf %s "$(printf %s. "$(printf %s. "$(printf %s. "{{x}}")")")" >$OUT',
        lambda v: v + "...",
    ),
    ("unquoted substitution", 'y=$(printf %s. {{x}}); printf %s "$y" >$OUT', dot),
    (
        "case in a substitution",
        'y=$(case a in a) printf %s. {{x}};; esac); printf %s "$y" >$OUT',
        dot,
    ),
    (
        "case with brackets",
        'y="$(case a in (a) printf %s. "{{x}}";; esac)"; printf %s "$y" >$OUT',
        dot,
    ),
    (
        "comment in a substitution",
        'y=$(# it\'s ) {{x}}\nprintf %s. {{x}}); printf %s "$y" >$OUT',
        dot,
    ),
    ("case word", "case {{x}} in *) " + P + ";; esac", same),
    ("case pattern", "y={{x}}; case $y in {{x}}) " + P + ";; esac", same),
    ("case patterns", 'y="a{{x}}"; case $y in b | "a"{{x}} | c) ' + P + ";; *) ;; esac", same),
    ("case after case", "case a in a) case b in b) ;; esac;; esac\n" + P, same),
    ("if", "if [ {{x}} = {{x}} ]; then " + P + "; fi", same),
    ("test", "test a{{x}} = 'a{{x}}' && " + P, same),
    ("while", 'while :; do printf %s "{{x}}"; break; done >$OUT', same),
    ("for", 'for i in {{x}}; do printf %s "$i" >$OUT; done', same),
    ("function", 'f() { printf %s "$1"; }\nf {{x}} >$OUT', same),
    ("function body", "f () { printf %s {{x}}; }; f >$OUT", same),
    ("subshell", "(printf %s {{x}}) >$OUT", same),
    ("braces", "{ printf %s {{x}}; } >$OUT", same),
    ("pipe", "printf %s {{x}} | cat >$OUT", same),
    ("and or", "false || printf %s {{x}} >$OUT && true", same),
    ("background", "printf %s {{x}} >$OUT & wait", same),
    ("here-document", "cat >$OUT <<EOF\n{{x}}\nEOF", line),
    (
        "here-document in text",
        "cat <<EOF >$OUT\n'a' \"{{x}}\" \\$y {{x}}z\nEOF\n:",
        lambda v: f"'a' \"{v}\" $y {v}z\n",
    ),
    ("here-document with tabs", "cat >$OUT <<-EOF\n\ta{{x}}\n\tEOF\n:", lambda v: f"a{v}\n"),
    (
        "two here-documents",
        "cat <<A >$OUT; cat <<B >>$OUT\n{{x}}\nA\n{{x}}\nB\n",
        lambda v: f"{v}\n{v}\n",
    ),
    (
        "a quoted one first",
        "cat <<'A' >$OUT; cat <<B >>$OUT\n$y `z`\nA\n{{x}}\nB\n",
        lambda v: f"$y `z`\n{v}\n",
    ),
    (
        "substitution in a here-document",
        'cat >$OUT <<EOF\n$(printf %s. "{{x}}")\nEOF',
        lambda v: v + ".\n",
    ),
    ("default in a here-document", "cat >$OUT <<EOF\n${nope:-{{x}}}\nEOF", line),
    (
        "here-document in a substitution",
        'y="$(cat <<EOF\n{{x}}.\nEOF\n)"; printf %s "$y" >$OUT',
        dot,
    ),
    ("unterminated here-document", "cat >$OUT <<EOF\n{{x}}", None),
    ("after a here-document", "cat <<EOF >/dev/null\nit's\nEOF\n" + P, same),
    ("default", 'y=${nope:-{{x}}}; printf %s "$y" >$OUT', same),
    ("default in quotes", 'printf %s "${nope:-{{x}}}" >$OUT', same),
    ("default in quotes in quotes", 'printf %s "${nope:-"{{x}}"}" >$OUT', same),
    ("default in single quotes", "y=${nope:-'{{x}}'}; printf %s \"$y\" >$OUT", same),
    ("assigned default", ': "${y:={{x}}}"; printf %s "$y" >$OUT', same),
    ("alternative", 'y=1; printf %s "${y:+{{x}}}" >$OUT', same),
    ("prefix removed", 'y={{x}}abc; printf %s "${y#{{x}}}" >$OUT', lambda _: "abc"),
    ("suffix removed", 'y=abc"{{x}}"; printf %s "${y%{{x}}}" >$OUT', lambda _: "abc"),
    ("suffix removed, bare", "y=abc{{x}}; printf %s ${y%%{{x}}} >$OUT", lambda _: "abc"),
    ("after arithmetic", 'y=$((1 + (2))); printf %s "$y{{x}}" >$OUT', lambda v: "3" + v),
    (
        "a default with a pair of quotes",
        "printf %s \"${nope:-'a' {{x}}}\" >$OUT",
        lambda v: "'a' " + v,
    ),
    (
        "quotes inside single quotes",
        'y=\'it"s $(`\'; printf %s "$y"{{x}} >$OUT',
        lambda v: 'it"s $(`' + v,
    ),
    ("time and !", "! false && " + P, same),
    ("dot file", "printf 'printf %%s \"$1\"' >f; sh ./f {{x}} >$OUT", same),
    ("argument of sh -c", "sh -c 'printf %s \"$1\"' _ {{x}} >$OUT", same),
    ("quoted for eval", 'eval "printf %s {{x | sh}}" >$OUT', same),
    ("quoted for eval, bare", "eval printf %s {{x | sh}} >$OUT", same),
    ("quoted for sh -c", 'sh -c "printf %s {{x | sh}}" >$OUT', same),
    ("quoted for sh -c in a word", "sh -ec 'printf %s a{{x | sh}}' >$OUT", lambda v: "a" + v),
    (
        "quoted for sh by a pipe",
        'echo(){ printf "%s\\n" "$1"; }; echo "printf %s {{x | sh}}" | sh >$OUT',
        same,
    ),
    ("quoted in a script for sh", "sh >$OUT <<EOF\nprintf %s {{x | sh}}\nEOF", same),
    ("unknown in quotes", 'printf %s "{{u}}" >$OUT', same),
    ("unknown as a word", "printf %s {{u}} >$OUT", same),
]

BASH_TEMPLATES: list[tuple[str, str, Callable[[str], str]]] = [
    ("ansi quotes", "printf %s $'a\\'\\n{{x}}\\t' >$OUT", lambda v: f"a'\n{v}\t"),
    ("locale quotes", 'printf %s $"a {{x}}" >$OUT', lambda v: "a " + v),
    ("condition", "[[ {{x}} == {{x}} ]] && " + P, same),
    ("condition with a pattern", "[[ a{{x}}b == a*b && ! -z a{{x}} ]] && " + P, same),
    ("condition with brackets", "[[ ( a = b || {{x}} = {{x}} ) ]] && " + P, same),
    ("regular expression", "[[ ab =~ ^(a|b)+$ ]] && " + P, same),
    ("here-string", "cat <<<{{x}} >$OUT", line),
    ("here-string in quotes", 'cat <<<"a {{x}}" >$OUT', lambda v: f"a {v}\n"),
    ("array", 'a=(b {{x}} "{{x}}" # it\'s\n c); printf %s "${a[1]}${a[2]}" >$OUT', lambda v: v + v),
    ("array append", 'a=(); a+=({{x}}); printf %s "${a[0]}" >$OUT', same),
    ("array of a list", 'a=({{xs}}); printf %s "${a[@]}" >$OUT', lambda v: v * 2),
    ("process substitution", "cat <(printf %s {{x}}) >$OUT", same),
    ("extended pattern", "y={{x}}; [[ $y == @({{x}}|b) ]] && " + P, same),
    ("extended pattern in case", "case a{{x}} in a@(b|{{x}})) " + P + ";; esac", same),
    ("fall through", "case a in a) ;;& *) " + P + ";& b) ;; esac", same),
    ("replacement", 'y=a-b; printf %s "${y/-/{{x}}}" >$OUT', lambda v: f"a{v}b"),
    (
        "replaced",
        'y="1{{x}}2"; [[ -z {{x}} ]] && y=1-2 || y="${y/{{x}}/-}"; printf %s "$y" >$OUT',
        lambda _: "1-2",
    ),
    ("both streams", "printf %s {{x}} &>$OUT", same),
    ("pipe of both", "printf %s {{x}} |& cat >$OUT", same),
    ("select", 'select i in {{x}}; do :; done <<<1; printf %s "{{x}}" >$OUT', same),
    ("arithmetic command", "((1 + 1)) && " + P, same),
    ("arithmetic for", 'for ((i = 0; i < 1; i++)); do printf %s "{{x}}"; done >$OUT', same),
    ("subscript before", 'a[1]={{x}}; printf %s "${a[1]}" >$OUT', same),
    ("coproc", "coproc cat; printf %s {{x}} >$OUT", same),
    ("time", "time -p " + P, same),
    ("function keyword", "function f { printf %s {{x}}; }; f >$OUT", same),
    ("brace expansion", "printf %s {,{{x}}} >$OUT", same),
    ("declare", 'declare -r y={{x}}; printf %s "$y" >$OUT', same),
    ("quoted for bash -c", 'bash -euo pipefail -c "printf %s {{x | sh}}" >$OUT', same),
]

SH_TEMPLATES: list[tuple[str, str, Callable[[str], str]]] = [
    (
        "default with a single quote",
        'printf %s "${nope:-it\'s {{x}}}" >$OUT',
        lambda v: "it's " + v,
    ),
    ("default between quotes", "printf %s \"${nope:-'{{x}}'}\" >$OUT", lambda v: f"'{v}'"),
]

CASES = [
    *((shell, *row) for shell in ("sh", "bash") for row in TEMPLATES),
    *(("bash", *row) for row in BASH_TEMPLATES),
    *(("sh", *row) for row in SH_TEMPLATES),
]


@pytest.mark.parametrize(
    ("shell", "template", "expected"),
    [pytest.param(s, t, e, id=f"{s}: {name}") for s, name, t, e in CASES],
)
def test_every_hostile_value_arrives_unchanged_and_none_is_run(
    shell: Shell, template: str, expected: Callable[[str], str] | None, tmp_path: Path
) -> None:
    parts, names = cut(template)
    woven = weave(parts, shell)
    assert isinstance(woven, Woven), woven
    scripts = [
        filled(woven, names, {"x": v, "u": v, "n": 1, "xs": [v, v]})
        for v in HOSTILE
        # one process can take that much only a few times
        if len(v) < 50_000 or len(names) == 1
    ]
    outs = run_all(shell, tmp_path, scripts)
    assert canaries(tmp_path) == []
    if expected is not None:
        wanted = [expected(v) for v in HOSTILE]
        for value, want, out in zip(HOSTILE, wanted, outs, strict=False):
            assert out == want.encode("utf-8", "surrogateescape"), (value[:100], woven)


NUMBERS = [
    ("printf %s $((10 - {{n}})) >$OUT", lambda n: 10 - n),
    ("printf %s $(( {{n}} * {{n}} )) >$OUT", lambda n: n * n),
    ('printf %s "$((10-{{n}}-{{n}}))" >$OUT', lambda n: 10 - n - n),
    ("printf %s $(( $(echo {{n}}) + 1 )) >$OUT", lambda n: n + 1),
    ("sh -c 'printf %s {{n}}' >$OUT", lambda n: n),
    ("printf %s 1{{n}} >$OUT", lambda n: f"1{n}"),
]
BASH_NUMBERS = [
    ("let y={{n}}+1; printf %s $y >$OUT", lambda n: n + 1),
    ("(( y = {{n}} - 1 )); printf %s $y >$OUT", lambda n: n - 1),
    ("for ((i={{n}}; i < {{n}} + 1; i++)); do printf %s $i; done >$OUT", lambda n: n),
    ("[[ {{n}} -eq '{{n}}' ]] && printf %s {{n}} >$OUT", lambda n: n),
    ("declare -i y; y={{n}}; printf %s $y >$OUT", lambda n: n),
    ("declare -A m=([{{n}}]=a); printf %s ${m[{{n}}]} >$OUT", lambda _: "a"),
    ("y=abc; printf %s ${y:0:$(({{n}} * 0 + 2))} >$OUT", lambda _: "ab"),
    ("printf %s $[{{n}}+1] >$OUT", lambda n: n + 1),
]


@pytest.mark.parametrize(
    ("shell", "template", "expected"),
    [(s, *row) for s in ("sh", "bash") for row in NUMBERS] + [("bash", *r) for r in BASH_NUMBERS],
)
def test_numbers_work_in_arithmetic(
    shell: Shell, template: str, expected: Callable[[int], object], tmp_path: Path
) -> None:
    parts, names = cut(template)
    woven = weave(parts, shell)
    assert isinstance(woven, Woven), woven
    numbers = [0, 1, -5, 2_000_000_000]
    outs = run_all(shell, tmp_path, [filled(woven, names, {"n": n}) for n in numbers])
    assert outs == [str(expected(n)).encode() for n in numbers], woven


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_list_becomes_separate_words_and_an_empty_one_none(shell: Shell, tmp_path: Path) -> None:
    parts, names = cut("printf '<%s>' a {{xs}} b >$OUT; for i in {{xs}}; do echo; done >>$OUT")
    woven = weave(parts, shell)
    assert isinstance(woven, Woven)
    lists: list[list[Value]] = [
        [],
        ["one"],
        ["a  b", "", "$(touch canary)", "*"],
        list(HOSTILE[:30]),
    ]
    outs = run_all(shell, tmp_path, [filled(woven, names, {"xs": xs}) for xs in lists])
    assert canaries(tmp_path) == []
    for xs, out in zip(lists, outs, strict=True):
        words = "".join(f"<{x}>" for x in ["a", *xs, "b"])
        assert out == (words + "\n" * len(xs)).encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_it_holds_for_the_command_line_and_environment_of_a_real_process(
    shell: Shell, tmp_path: Path
) -> None:
    parts, names = cut("printf '%s' '{{x}}' >out; cat <<EOF >>out\n$(printf %s. \"{{x}}\")\nEOF")
    woven = weave(parts, shell)
    assert isinstance(woven, Woven)
    for value in HOSTILE[10:40]:
        script = filled(woven, names, {"x": value})
        subprocess.run(
            [shell, "-e", "-c", script.text],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", **script.env},
            check=True,
        )
        assert (tmp_path / "out").read_bytes() == (value + value + ".\n").encode(
            "utf-8", "surrogateescape"
        )
    assert canaries(tmp_path) == []


# --- scripts made up at random ------------------------------------------------------

Made = tuple[str, str]
"""A script's text, and what it prints, in which V stands for the value."""

V = "\ue000"


def _words(commands: st.SearchStrategy[Made]) -> st.SearchStrategy[Made]:
    return st.one_of(
        st.sampled_from(
            [
                ("{{x}}", V),
                ('"{{x}}"', V),
                ("'{{x}}'", V),
                ("a{{x}}'b {{x}}'\"c {{x}}d\"", f"a{V}b {V}c {V}d"),
                ("${nope:-{{x}}}", V),
                ('"${nope:-a {{x}} b}"', f"a {V} b"),
                ('"\\"{{x}}\\\\"', f'"{V}\\'),
                ("\\'{{x}}\\;", f"'{V};"),
            ]
        ),
        commands.map(lambda made: (f'"$( {made[0]})"', made[1])),
        commands.map(lambda made: (f'"a${{nope:-$( {made[0]})}}b"', f"a{made[1]}b")),
        commands.map(lambda made: (f"x'y'\"z$(# it's ) \n{made[0]})\"", f"xyz{made[1]}")),
    )


def _wrapped(word: Made) -> Made:
    return f"printf '<%s>' {word[0]}\n", f"<{word[1]}>"


def _document(made: Made) -> Made:
    end = f"E{len(made[0])}"
    text = f"cat <<{end}\n\"'a {{{{x}}}}b $( {made[0]})\n{end}\nprintf .\n"
    return text, f"\"'a {V}b {made[1]}\n."


_SHAPES: list[Callable[[Made], Made]] = [
    lambda m: (f"case a{{{{x}}}} in (b) ;; a*) {m[0]} ;; esac\n", m[1]),
    lambda m: (f"case '{{{{x}}}}' in *) {m[0]};; esac\n", m[1]),
    lambda m: (f"if [ -n a{{{{x}}}} ]; then {m[0]}fi\n", m[1]),
    lambda m: (f"( {m[0]})\n", m[1]),
    lambda m: (f"{{ {m[0]}}} | cat\n", m[1]),
    lambda m: (f"f() {{ {m[0]}}}; f\n", m[1]),
    lambda m: (f"for i in 1; do # it's\n{m[0]}done\n", m[1]),
    lambda m: (f"y=$( {m[0]}); printf %s \"$y\"'{{{{x}}}}.'\n", f"{m[1]}{V}."),
    _document,
]


def _commands(inner: st.SearchStrategy[Made]) -> st.SearchStrategy[Made]:
    return st.one_of(
        _words(inner).map(_wrapped),
        st.tuples(st.sampled_from(_SHAPES), inner).map(lambda pair: pair[0](pair[1])),
        st.tuples(inner, inner).map(
            lambda pair: (pair[0][0] + pair[1][0], pair[0][1] + pair[1][1])
        ),
    )


MADE = st.recursive(_words(st.nothing()).map(_wrapped), _commands, max_leaves=6)

QUIET = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("shell", ["sh", "bash"])
@settings(QUIET, max_examples=12)
@given(made=st.lists(MADE, min_size=10, max_size=30), value=st.sampled_from(HOSTILE[:-1]))
def test_in_scripts_nested_at_random_values_arrive_unchanged(
    shell: Shell, tmp_path: Path, made: list[Made], value: str
) -> None:
    scripts = []
    for text, _ in made:
        parts, names = cut(f"{{ {text}}} >$OUT\n")
        woven = weave(parts, shell)
        assert isinstance(woven, Woven), (text, woven)
        scripts.append(filled(woven, names, {"x": value}))
    outs = run_all(shell, tmp_path, scripts)
    assert canaries(tmp_path) == []
    for (text, wanted), out in zip(made, outs, strict=True):
        expected = wanted.replace(V, value).encode("utf-8", "surrogateescape")
        assert out == expected, (text, value)


SOUP = [
    "{{x}}",
    "{{x}}",
    "{{x}}",
    '"',
    "'",
    "$(",
    ")",
    "(",
    "${y:-",
    "${y#",
    "${y/",
    "}",
    "`",
    "\\",
    "\n",
    " <<E\n",
    "\nE\n",
    " #",
    "((",
    "))",
    "$((",
    "[[ ",
    " ]]",
    "case a in ",
    "esac",
    "a) ",
    ";;",
    ";",
    " ",
    "  ",
    "echo ",
    "eval ",
    "a=",
    "a[",
    "]",
    "-eq ",
    "<(",
    "$'",
    '$"',
    "$",
    "{ ",
    "y=(",
    "declare -i a;",
    "for i in ",
    "do ",
    "done\n",
    "let a=",
    "[ ",
    "test -v ",
    "printf ",
    "sh -c ",
    "unset ",
    "read ",
    "trap ",
    "@(",
    "!(",
    "local a=",
    "if ",
    "then ",
    "fi\n",
    "$[",
    "<<<",
    ">f ",
    "&",
    "|",
    "||",
]

CODE = [
    "a[$(touch canary1)]",
    "'\"`touch canary2`$(touch canary3)\n touch canary4\n;touch canary5;)}]]",
    "-va[$(touch canary6)]",
    "($(touch canary7))",
]


@pytest.mark.parametrize("shell", ["sh", "bash"])
@settings(QUIET, max_examples=120)
@given(soup=st.lists(st.sampled_from(SOUP), min_size=2, max_size=14).map("".join))
def test_in_a_soup_of_shell_tokens_nothing_that_is_let_in_is_run(
    shell: Shell, tmp_path: Path, soup: str
) -> None:
    parts, names = cut(soup)
    woven = weave(parts, shell)
    if not isinstance(woven, Woven) or not names:
        return
    for value in CODE:
        script = filled(woven, names, {"x": value})
        subprocess.run(
            [shell, "-c", script.text],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=False,
            env={"PATH": "/usr/bin:/bin", **script.env},
        )
        assert canaries(tmp_path) == [], (soup, woven, value)
