"""Functions of plugins are functions of the language, in every process that needs one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from distributions import install

Tidemill = Callable[..., subprocess.CompletedProcess[str]]

WEB = """
    from tidemill.spi import FunctionType, hookimpl
    TIDEMILL_SPI = 1

    def slug(text: str, sep: str = "-", *, most: int = 80) -> str:
        '''Text that is fit for a URL.'''
        if not text:
            raise ValueError("there is no text")
        return sep.join(text.lower().split())[:most]

    @hookimpl
    def tidemill_functions():
        return [FunctionType("slug", slug)]
"""


@pytest.fixture(autouse=True)
def site(tmp_path: Path, clean_environment: dict[str, str]) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    clean_environment["PYTHONPATH"] = str(folder)
    clean_environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    return folder


def test_a_function_is_worked_out_while_compiling_and_in_a_run(
    tidemill: Tidemill, site: Path
) -> None:
    install(site, "tide-web", WEB)
    (site.parent / "x.tide").write_text("""
let fixed = slug("One Two")
pipeline demo {
  param title: string = "Hello  World"
  let page = slug(title, sep = "_")
  step a {
    run = "echo 'Some Text'; echo 'word=A B' >> $TIDE_OUTPUT"
    output word: string
  }
  step b for w in [slug(a.word, most = 2), slug("X y", "+")] {
    run = "echo {{ fixed }} {{ page }} {{ w }}"
  }
}
""")
    done = tidemill("run", "x.tide")
    assert done.returncode == 0, done.stdout
    assert "b[a-] | one-two hello_world a-" in done.stdout
    assert "b[x+y] | one-two hello_world x+y" in done.stdout


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("slug(3)", "error[T201]: `text` of `slug` must be a string, not a whole number"),
        ("slug()", "error[T203]: `slug` needs `text`"),
        ('slug("a", lenght = 3)', "error[T203]: `slug` has no `lenght`"),
        ('slug("")', "error[T217]: `page` has no value: `slug` of tide-web 1.2: there is no text"),
        ('slugg("a")', "help: did you mean `slug`?"),
        ('len(slug("a") + 1)', "a string"),
        ('slug(secret("A"))', "error[T614]: no function takes a secret"),
    ],
)
def test_a_wrong_call_is_told_with_its_line(
    tidemill: Tidemill, site: Path, call: str, said: str
) -> None:
    install(site, "tide-web", WEB)
    source = f'let page = {call}\npipeline p {{ step s {{ run = "echo {{{{ page }}}}" }} }}\n'
    (site.parent / "x.tide").write_text(source)
    done = tidemill("validate", "x.tide")
    assert done.returncode == 1
    assert said in done.stdout
    assert "x.tide:1:" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_what_fails_only_in_a_run_fails_the_step_with_the_reason(
    tidemill: Tidemill, tide: Callable[..., Path], site: Path
) -> None:
    install(site, "tide-web", WEB)
    tide("""
      step a {
        run = "echo word= >> $TIDE_OUTPUT"
        output word: string
      }
      step b { run = "echo {{ slug(a.word) }}" }
    """)
    done = tidemill("run", "x.tide")
    assert done.returncode == 1
    assert "`slug` of tide-web 1.2: there is no text" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_run_that_goes_on_without_the_plugin_says_what_is_missing(
    tidemill: Tidemill, tide: Callable[..., Path], site: Path
) -> None:
    install(site, "tide-web", WEB)
    tide("""
      param title: string = "A B"
      step a { run = "test -e go" }
      step b { needs = [a]
        run = "echo {{ slug(title) }}" }
    """)
    assert tidemill("run", "x.tide").returncode == 1
    shutil.rmtree(site / "tide_web-1.2.dist-info")
    (site.parent / "go").touch()
    done = tidemill("retry", "1")
    said = "function `slug` of tide-web is not installed where this is worked out"
    assert said in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_broken_plugin_is_named_where_its_function_is_missing(
    tidemill: Tidemill, tide: Callable[..., Path], site: Path
) -> None:
    install(site, "tide-web", WEB.replace("def slug", "1 / 0\n    def slug"), point="slug")
    tide('step s { run = "echo {{ slug(1) }}" }')
    done = tidemill("validate", "x.tide")
    assert done.returncode == 1
    assert "error[T502]: the plugin of function `slug` cannot be used" in done.stdout
    assert "plugin slug of tide-web 1.2 failed: ZeroDivisionError" in done.stdout


def test_two_plugins_with_one_name_are_both_named(
    tidemill: Tidemill, tide: Callable[..., Path], site: Path
) -> None:
    install(site, "tide-web", WEB)
    install(site, "tide-two", WEB)
    tide('step s { run = "echo {{ slug("a") }}" }')
    done = tidemill("validate", "x.tide")
    assert "error[T502]" in done.stdout
    assert "function slug is claimed by tide-two 1.2 and tide-web 1.2" in done.stdout


@pytest.mark.parametrize("name", ["len", "sh", "succeeded", "secret", "run"])
def test_no_name_of_the_language_is_shadowed(tidemill: Tidemill, site: Path, name: str) -> None:
    install(site, "tide-web", WEB.replace('"slug"', f'"{name}"'))
    done = tidemill("plugins")
    assert done.returncode == 3
    assert f"ValueError: `{name}` is a name of the language's own" in done.stdout


def test_a_function_without_annotations_is_refused_in_words(tidemill: Tidemill, site: Path) -> None:
    install(site, "tide-web", WEB.replace("text: str,", "text,"))
    assert "parameter text of function slug has no annotation" in tidemill("plugins").stdout


def test_functions_are_listed_with_their_parameters(tidemill: Tidemill, site: Path) -> None:
    install(site, "tide-web", WEB)
    listed = [line.split() for line in tidemill("plugins").stdout.splitlines()]
    assert ["slug", "function", "tide-web", "1.2", "ok"] in [line[:5] for line in listed]
    lines = [line.split(maxsplit=2) for line in tidemill("plugins", "slug").stdout.splitlines()]
    assert ["Text", "that", "is fit for a URL."] in lines
    assert ["text", "string", "required"] in lines
    assert ["most", "int", "may be left out"] in lines


def _validated(folder: Path, env: dict[str, str]) -> list[str]:
    """Which of the compiler and the plugins had to be imported to validate a file."""
    code = (
        "import sys; from tidemill.cli import main\n"
        "sys.argv = ['tidemill', 'validate', 'x.tide']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "for each in ('tidelang.compiler', 'tidemill.plugins', 'tide_web'):\n"
        "    print(each, each in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, capture_output=True)
    assert b": no mistakes" in done.stdout, done.stdout + done.stderr
    lines = done.stdout.decode().splitlines()
    return [line.split()[0] for line in lines if line.endswith("True")]


def test_a_file_that_calls_none_imports_no_plugin(
    tide: Callable[..., Path], site: Path, clean_environment: dict[str, str]
) -> None:
    install(site, "tide-web", WEB)
    tide('step s { run = "echo {{ upper("a") }}" }')
    assert _validated(site.parent, clean_environment) == ["tidelang.compiler"]


def test_a_file_is_known_until_the_plugin_is_touched(
    tidemill: Tidemill,
    tide: Callable[..., Path],
    site: Path,
    clean_environment: dict[str, str],
) -> None:
    install(site, "tide-web", WEB)
    tide('step s { run = "echo {{ slug("a") }}" }')
    everything = ["tidelang.compiler", "tidemill.plugins", "tide_web"]
    assert _validated(site.parent, clean_environment) == everything
    assert _validated(site.parent, clean_environment) == []
    module = site / "tide_web.py"
    module.write_text(module.read_text().replace("text: str", "text: int"))
    assert "must be a whole number" in tidemill("validate", "x.tide").stdout
