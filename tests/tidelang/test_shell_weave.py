"""How references are written, and which places are refused with which way out."""

from __future__ import annotations

import re

import pytest
from time_growth import grows_no_faster

from tidelang.shell import Insert, Refusal, Shell, Woven, weave

SHAPES = {"x": "scalar", "n": "number", "xs": "list", "u": "unknown"}


def woven(template: str, shell: Shell | None = "bash") -> Woven | tuple[Refusal, ...]:
    parts: list[str | Insert] = []
    count = 0
    for piece in re.split(r"(\{\{.*?\}\})", template):
        if piece.startswith("{{"):
            name, _, how = (word.strip() for word in piece[2:-2].partition("|"))
            parts.append(Insert(count, SHAPES[name], how))  # type: ignore[arg-type]
            count += 1
        elif piece:
            parts.append(piece)
    return weave(parts, shell)


@pytest.mark.parametrize(
    ("template", "parts"),
    [
        ("echo {{x}}", ('echo "$TIDE_V0"',)),
        ("echo a{{x}}b", ('echo a"$TIDE_V0"b',)),
        ('echo "{{x}} {{x}}y"', ('echo "$TIDE_V0 ${TIDE_V1}y"',)),
        ("echo 'a{{x}}'", ("echo 'a'\"$TIDE_V0\"''",)),
        ("echo $'a{{x}}'", ("echo $'a'\"$TIDE_V0\"$''",)),
        ("cat <<E\n{{x}}\nE", ("cat <<E\n$TIDE_V0\nE",)),
        ("echo $((1-{{n}}))", ("echo $((1-(${TIDE_V0})))",)),
        ("echo $((16#{{n}}))", ("echo $((16#${TIDE_V0}))",)),
        ("# {{x}}", ("# TIDE_V0",)),
        ("make {{xs}} all", ("make ", 0, " all")),
        ("a {{x | raw}}{{xs}}", None),
        ("a {{x | raw}}; {{xs}}", ("a ", 0, "; ", 1)),
        ('"{{x}}{{x | raw}}"', ('"${TIDE_V0}', 1, '"')),
        ("plain text", ("plain text",)),
        ("echo a#{{x}}", ('echo a#"$TIDE_V0"',)),
        ('echo "${y:-{{x}}}"', ('echo "${y:-$TIDE_V0}"',)),
        ("cat <<-E\n\ta\n\tE\necho {{x}}", ('cat <<-E\n\ta\n\tE\necho "$TIDE_V0"',)),
    ],
)
def test_a_reference_is_written_for_its_place(
    template: str, parts: tuple[str | int, ...] | None
) -> None:
    result = woven(template)
    if parts is None:
        assert isinstance(result, tuple)
    else:
        assert isinstance(result, Woven)
        assert result.parts == parts


@pytest.mark.parametrize(
    ("template", "kinds"),
    [
        ("{{x}} {{n}} {{xs}} {{u}}", ["value", "value", "words", "words"]),
        ('"{{u}}" $(({{n}} + {{u}}))', ["value", "number", "number"]),
        ("{{x | sh}} {{xs | sh}} {{xs | raw}}", ["quoted", "quoted", "raw"]),
        ("sh -c 'sleep {{n}}'", ["number"]),
        ("for i in {{u}}; do :; done > {{u}}", ["words", "value"]),
        ("a=({{u}}) b={{u}}", ["words", "value"]),
    ],
)
def test_a_kind_says_how_the_value_gets_in(template: str, kinds: list[str]) -> None:
    result = woven(template)
    assert isinstance(result, Woven), result
    assert [result.kinds[at] for at in range(len(kinds))] == kinds


REFUSED = [
    ("cat <<'E'\n{{x}}\nE", "delimiter"),
    ("cat <<\\E\n{{x}}\nE", "delimiter"),
    ("cat <<{{x}}\n", "fixed word"),
    ("echo `ls {{x}}`", "$( … )"),
    ('echo "`ls {{x}}`"', "$( … )"),
    ("echo ${{x}}", "take the $ away"),
    ('echo "${{x}}"', "take the $ away"),
    ("echo \\{{x}}", "backslash"),
    ('echo "\\{{x}}"', "backslash"),
    ("echo $(({{x}}))", "int"),
    ("echo $((1 + $(echo {{x}})))", "int"),
    ("(( y = {{x}} ))", "int"),
    ("for ((i = 0; i < {{x}}; i++)); do :; done", "int"),
    ("echo $[{{x}}]", "int"),
    ("let y={{x}}", "int"),
    ("let 'y = {{x}}'", "int"),
    ("a[{{x}}]=1", "int"),
    ("a=([{{x}}]=1)", "int"),
    ("echo ${a[{{x}}]}", "int"),
    ("echo ${a:{{x}}:1}", "int"),
    ("[[ {{x}} -eq 1 ]]", "int"),
    ("[[ -n $y && 1 -lt {{x}} ]]", "int"),
    ("declare -i y={{x}}", "int"),
    ("y={{x}}; declare -i y", "int"),
    ("typeset -ri y; y+={{x}}", "int"),
    ("RANDOM={{x}}", "int"),
    ("for RANDOM in {{x}}; do :; done", "int"),
    ("declare -i y; : ${y:={{x}}}", "int"),
    ("[[ -v {{x}} ]]", "write the name"),
    ("[ -v {{x}} ]", "write the name"),
    ("test ! -v {{x}}", "write the name"),
    ("unset {{x}}", "write the name"),
    ("read -r {{x}}", "write the name"),
    ("printf -v {{x}} a", "write the name"),
    ("declare {{x}}=1", "write the name"),
    ("local {{x}}", "write the name"),
    ("declare -n y={{x}}", "write the name"),
    ("declare -a y={{x}}", "assign in a line of its own"),
    ("y=(1); declare y={{x}}", "assign in a line of its own"),
    ("for {{x}} in a; do :; done", "write the name"),
    ("printf {{x}} a", "printf '%s'"),
    ("[ {{x}} {{x}} ]", "operator"),
    ("eval {{x}}", "| sh"),
    ("eval \"a 'b {{x}}'\"", "| sh"),
    ("command eval {{x}}", "| sh"),
    ("\\eval {{x}}", "| sh"),
    ('eval "$(echo {{x}})"', "a line of its own"),
    ("if true; then eval {{x}}; fi", "| sh"),
    ("case a in a) eval {{x}};; esac", "| sh"),
    ('echo "$(eval {{x}})"', "| sh"),
    ('sh -c "echo {{x}}"', "| sh"),
    ("sh -c {{x}}", "| sh"),
    ("sudo -u me bash -euxo pipefail -c 'echo {{x}}'", "| sh"),
    ("docker run --rm image sh -c 'echo {{x}}'", "| sh"),
    ("find . -exec /bin/sh -c 'echo {{x}}' \\;", "| sh"),
    ("su - me -c 'echo {{x}}'", "| sh"),
    ("ssh host echo {{x}}", "| sh"),
    ('ssh -p 22 -i key me@host "echo {{x}}"', "| sh"),
    ("ssh host <<E\necho {{x}}\nE", "| sh"),
    ("ssh host bash -s <<E\necho {{x}}\nE", "| sh"),
    ("bash <<E\necho {{x}}\nE", "| sh"),
    ("bash <<<{{x}}", "| sh"),
    ("eval bash <<E\n{{x}}\nE", "| sh"),
    ("$SUDO bash <<E\n{{x}}", "| sh"),
    ("printf -v y {{x}}", "printf '%s'"),
    ("echo {{x}} | sh", "| sh"),
    ("cat <<E | sudo sh\n{{x}}\nE", "| sh"),
    ("{ echo a; echo {{x}}; } | sh", "| sh"),
    ("(echo {{x}}) | sh", "| sh"),
    ("source <(echo y={{x}})", "a line of its own"),
    ("trap 'rm {{x}}' EXIT", "| sh"),
    ("alias a={{x}}", "function"),
    ("PS4={{x}}", "write its text"),
    ("python3 -c 'print({{x}})'", "env"),
    ("python3 - <<E\nprint({{x}})\nE", "env"),
    ("perl -pe 's/{{x}}/a/' file", "env"),
    ("node -e {{x}}", "env"),
    ("ssh host \"echo '{{x | sh}}'\"", "quotes around"),
    ("ssh host 'echo \"{{x | sh}}\"'", "quotes around"),
    ("ssh host \"sh -c 'echo {{x | sh}}'\"", "| sh"),
    ('ssh host "echo a # {{x | sh}}"', "quotes around"),
    ('ssh host "echo \\"" {{x | sh}} "\\""', "quotes around"),
    ("sh -c 'echo `ls {{x | sh}}`'", "$( … )"),
    ("sh <<E\ncat <<F\n{{x | sh}}\nF\nE", "quotes around"),
    ("echo a{{xs}}", "join"),
    ('echo "{{xs}}"', "join"),
    ("y={{xs}}", "join"),
    ("cat > {{xs}}", "join"),
    ("case {{xs}} in a) ;; esac", "join"),
    ("[ {{xs}} = a ]", "join"),
    ("cat <<E\n{{xs}}\nE", "join"),
    ("echo ${y {{x}}}", "variable of the script"),
    ("echo ${ {{x}}; }", "$( … )"),
    ("$((a); echo {{x}})", "a space between"),
    ("echo a ) {{x}}", "missing"),
    ("echo 'a\necho {{x}}'b) {{x}}", "missing"),
    ("cat <<E $(\necho\n) {{x}}\nE\n{{x}}", "plain word"),
    ("echo $(cat <<E\na\nE) {{x}}", "plain word"),
    ("cat <<E\na\\\nE\n{{x}}\nE\n", "plain word"),
]


@pytest.mark.parametrize(("template", "help_text"), REFUSED)
def test_a_place_that_cannot_be_kept_from_being_code_is_refused_with_the_way_out(
    template: str, help_text: str
) -> None:
    result = woven(template)
    assert isinstance(result, tuple), result
    assert help_text in result[0].help
    assert result[0].message


@pytest.mark.parametrize(
    "template",
    [
        "sh script.sh {{x}}",
        "bash -x script.sh {{x}} -c {{x}}",
        "sh -c 'echo \"$1\"' sh {{x}}",
        "python3 -m pytest -c {{x}} -k {{x}}",
        "python3 build.py -c {{x}}",
        "echo {{x}} | grep bash",
        "echo {{x}} | bash script.sh",
        "ssh -i {{x}} {{x}}@{{x}} uptime",
        "ssh {{x}} 'cat > file' < {{x}}",
        "docker run -e KEY={{x}} image",
        "sed -i s/a/{{x}}/ file",
        "export KEY={{x}} OTHER={{x}}",
        "local y={{x}}",
        "read -rp {{x}} y",
        "printf '%s\\n' {{x}}",
        "printf -- {{x}}",
        "unset -f y; echo {{x}}",
        "[ {{x}} -eq 1 ]",
        "[ -n {{x}} -a {{x}} = b ]",
        "trap 'rm -f a' EXIT; echo {{x}}",
        "command -v {{x}}",
        "declare -A m; m[a]={{x}}",
        "cat <<'E'\n$(x) `y`\nE\necho {{x}}",
        "echo `date` {{x}}",
        "apt-get install bash {{x}}",
    ],
)
def test_common_uses_are_let_in(template: str) -> None:
    assert isinstance(woven(template), Woven), woven(template)


def test_every_refusal_of_a_script_comes_at_once() -> None:
    result = woven("echo `{{x}}` {{x}} $(({{x}}))\neval {{x}}")
    assert isinstance(result, tuple)
    assert [refusal.index for refusal in result] == [0, 2, 3]


def test_an_interpreter_that_is_no_shell_lets_in_raw_text_alone() -> None:
    refused = woven("print({{x}})", None)
    assert isinstance(refused, tuple)
    assert "env {" in refused[0].help
    assert woven("print({{x | raw}})", None) == Woven(("print(", 0, ")"), {0: "raw"})


def test_raw_text_may_stand_anywhere() -> None:
    result = woven("cat <<'E'\n{{x | raw}}\nE\n`{{x | raw}}` $(({{x | raw}})) ${{x | raw}}")
    assert isinstance(result, Woven)
    assert set(result.kinds.values()) == {"raw"}


def test_not_every_sh_knows_ansi_quotes() -> None:
    assert isinstance(woven("echo $'a{{x}}'", "sh"), tuple)
    assert isinstance(woven("echo $'a' {{x}}", "sh"), Woven)
    assert isinstance(woven("echo $'it\\'s' {{x}}", "sh"), tuple)


@pytest.mark.parametrize(
    "piece",
    ["$(", '"$(', "${y:-", "$((", "(", "case a in a) ", "<(", "a=(", "{ ", "[[ ", "if "],
)
def test_deep_nesting_ends_in_an_answer(piece: str) -> None:
    for count in (50, 5_000):
        result = woven(piece * count + "{{x}}")
        assert isinstance(result, Woven | tuple)
    assert woven("$(" * 5_000 + "{{x}}") != woven("{{x}}")


@pytest.mark.parametrize(
    "piece",
    [
        "echo {{x}} \"{{x}}\" '{{x}}'\n",
        "cat <<E\n{{x}}\nE\n",
        "case {{x}} in {{x}}) ;; esac\n",
        "echo {{x}} |\n\n",
        "{{x}}",
        "a{{x | sh}} ",
        "<<E ",
        "[[ a == {{x}} ]]; ",
        "y=$(echo {{x}}) ",
    ],
)
def test_time_grows_with_the_script_and_no_faster(piece: str) -> None:
    assert grows_no_faster(lambda count: woven(piece * count), 500)
