"""Plugins are found in real distributions, and a bad one harms nobody else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import distributions
import pytest

GOOD = """
    from pydantic import BaseModel, Field
    from tidemill.spi import ExecutorType, hookimpl
    TIDEMILL_SPI = 1

    class Settings(BaseModel, extra="forbid", frozen=True):
        image: str
        pull: bool = False
        user: str = Field("nobody", min_length=1)

    @hookimpl
    def tidemill_executors():
        return [ExecutorType("KIND", Settings, lambda context: None)]
"""

Ask = Callable[[str], Any]
Install = Callable[..., None]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


@pytest.fixture
def install(site: Path) -> Install:
    return partial(distributions.install, site)


@pytest.fixture
def ask(site: Path) -> Ask:
    """The value of an expression over `plugins`, in a fresh interpreter."""

    def ask(expression: str) -> Any:
        program = f"""
import json, sys
sys.path.insert(0, {str(site)!r})
from tidemill.plugins import PluginError, load
plugins = load()
def error(call, *arguments):
    try:
        call(*arguments)
    except PluginError as error:
        return [error.message, error.hint]
def infos():
    return [[i.name, i.distribution, i.version, list(i.kinds), str(i.failure or "")]
            for i in plugins.installed() if i.distribution != "tidemill"]
print(json.dumps({expression}))
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


def test_the_local_executor_is_found_like_any_other(ask: Ask) -> None:
    assert "local" in ask("plugins.executors.kinds()")
    assert ask("plugins.executors.require('local').settings.__name__") == "LocalSettings"
    assert ask("plugins.executors.problem('local')") is None


def test_an_installed_plugin_is_found_with_its_version(ask: Ask, install: Install) -> None:
    install("tide-podman", GOOD.replace("KIND", "podman"), point="pods")
    assert ask("infos()") == [["pods", "tide-podman", "1.2", ["podman"], ""]]
    assert ask("plugins.executors.kinds()") == ["docker", "local", "podman", "ssh"]
    assert ask("list(plugins.executors.model('podman').model_fields)") == [
        "image",
        "pull",
        "user",
    ]


def test_an_unknown_kind_says_what_is_installed(ask: Ask) -> None:
    message, hint = ask("error(plugins.executors.require, 'dokcer')")
    assert message == "there is no executor dokcer"
    assert hint == "installed executors: docker, local, ssh"
    assert ask("plugins.executors.model('dokcer')") is None
    assert ask("plugins.executors.problem('dokcer')") is None


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit('out of here')", "SystemExit: out of here"),
        ("def f(:", "SyntaxError"),
        (GOOD.replace("def tidemill_executors():", "def tidemill_executors(more):"), "more"),
        (GOOD.replace("def tidemill_executors", "def tidemill_executor"), "there is no hook"),
        (GOOD.replace("return [", "raise RuntimeError('two\\n lines'); return ["), "two lines"),
        (GOOD.replace("return [", "return 7 # "), "not a list of executor types"),
        (GOOD.replace("return [", "return [7] # "), "not an executor type"),
        (GOOD.replace('"KIND"', '"two words"'), "must be a plain word"),
        (GOOD.replace('"KIND", Settings', '"k", dict'), "are no pydantic model"),
        (GOOD.replace("lambda context: None", "None"), "cannot be called"),
    ],
)
def test_a_bad_plugin_is_named_and_harms_nobody(
    ask: Ask, install: Install, source: str, said: str
) -> None:
    install("tide-broken", source, point="broken", version="0.3")
    install("tide-podman", GOOD.replace("KIND", "podman"))
    (broken, good) = ask("infos()")
    assert broken[:4] == ["broken", "tide-broken", "0.3", []]
    assert broken[4].startswith("plugin broken of tide-broken 0.3 failed: ")
    assert said in broken[4]
    assert "\n" not in broken[4]
    assert good[4] == ""
    assert ask("plugins.executors.kinds()") == ["docker", "local", "podman", "ssh"]


def test_a_failed_plugin_is_the_answer_for_its_kind(ask: Ask, install: Install) -> None:
    install("tide-broken", "import no_such_module", point="nomad")
    failure = "plugin nomad of tide-broken 1.2 failed: ModuleNotFoundError"
    assert ask("plugins.executors.problem('nomad')").startswith(failure)
    message, _ = ask("error(plugins.executors.require, 'nomad')")
    assert message.startswith(failure)
    _, hint = ask("error(plugins.executors.require, 'podman')")
    assert failure in hint


def test_two_plugins_that_claim_one_kind_are_both_named(ask: Ask, install: Install) -> None:
    install("tide-one", GOOD.replace("KIND", "podman"))
    install("tide-two", GOOD.replace("KIND", "podman"), version="2.0")
    said = "executor podman is claimed by tide-one 1.2 and tide-two 2.0: uninstall one of them"
    assert ask("plugins.executors.problem('podman')") == said
    assert ask("error(plugins.executors.require, 'podman')")[0] == said
    assert ask("plugins.executors.model('podman')") is None
    assert ask("plugins.executors.kinds()") == ["docker", "local", "ssh"]
    assert [info[4] for info in ask("infos()")] == ["", ""]


def test_two_entry_points_of_one_name_do_not_collide(ask: Ask, install: Install) -> None:
    install("tide-one", GOOD.replace("KIND", "one"), point="same")
    install("tide-two", GOOD.replace("KIND", "two"), point="same")
    assert ask("plugins.executors.kinds()") == ["docker", "local", "one", "ssh", "two"]


def test_settings_are_checked_and_given_their_types(ask: Ask, install: Install) -> None:
    install("tide-podman", GOOD.replace("KIND", "podman"))
    values = "plugins.executors.settings('podman', {'image': 'debian', 'pull': True}).model_dump()"
    assert ask(values) == {"image": "debian", "pull": True, "user": "nobody"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("{}", "executor podman: image is missing"),
        ("{'image': 'x', 'imgae': 1}", "executor podman: there is no setting imgae"),
        ("{'image': 3}", "executor podman: image: input should be a valid string"),
    ],
)
def test_wrong_settings_are_said_in_words(
    ask: Ask, install: Install, values: str, said: str
) -> None:
    install("tide-podman", GOOD.replace("KIND", "podman"))
    message, hint = ask(f"error(plugins.executors.settings, 'podman', {values})")
    assert message == said
    assert hint == "its settings are: image, pull, user"


@pytest.mark.parametrize("plugin", ["tidemill_local", "tidemill_docker"])
def test_importing_our_plugins_is_cheap(plugin: str) -> None:
    """Only a factory needs asyncio, processes and libraries; `validate` needs settings alone."""
    heavy = ("asyncio", "subprocess", "ctypes", "docker", "requests")
    program = (
        f"import sys, {plugin};"
        f"print(*sorted(name for name in sys.modules if name.startswith('{plugin}')));"
        f"print(*[name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == f"{plugin} {plugin}.settings\n\n"


NOTIFIER = """
    from typing import Annotated
    from pydantic import BaseModel, SecretStr
    from tidemill.spi import NotifierType, Template, hookimpl
    TIDEMILL_SPI = 1

    class Settings(BaseModel, extra="forbid"):
        url: SecretStr
        message: Annotated[str, Template()] = "x"
        FIELD: str = ""

    @hookimpl
    def tidemill_notifiers():
        return [NotifierType("chat", Settings, lambda: None)]
"""


def test_notifiers_are_found_like_executors(ask: Ask, install: Install) -> None:
    install("tide-chat", NOTIFIER.replace("FIELD", "room"))
    assert ask("infos()") == [["tide_chat", "tide-chat", "1.2", ["chat"], ""]]
    assert ask("plugins.notifiers.kinds()") == ["apprise", "chat", "email", "slack", "webhook"]
    assert ask("plugins.notifiers.origin('chat')") == "tide-chat 1.2"
    assert ask("plugins.notifiers.model('chat').__name__") == "Settings"
    assert ask("plugins.executors.kinds()") == ["docker", "local", "ssh"]
    assert ask("plugins.notifiers.problem('chat')") is None


def test_a_notifier_leaves_the_languages_own_setting_alone(ask: Ask, install: Install) -> None:
    install("tide-chat", NOTIFIER.replace("FIELD", "on"), point="chat")
    assert "chat" not in ask("plugins.notifiers.kinds()")
    assert "has a setting `on`" in ask("plugins.notifiers.problem('chat')")


def test_two_notifiers_of_one_kind_are_both_named(ask: Ask, install: Install) -> None:
    install("tide-chat", NOTIFIER.replace("FIELD", "room"))
    install("tide-other", NOTIFIER.replace("FIELD", "room"), version="3")
    assert "chat" not in ask("plugins.notifiers.kinds()")
    assert ask("plugins.notifiers.problem('chat')") == (
        "notifier chat is claimed by tide-chat 1.2 and tide-other 3: uninstall one of them"
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "it does not say which version of tidemill.spi it was written for"),
        ("TIDEMILL_SPI = 99", "version 99 of tidemill.spi, this tidemill has 1: upgrade tidemill"),
        ("TIDEMILL_SPI = 0", "version 0 of tidemill.spi, this tidemill has 1: upgrade the plugin"),
    ],
)
def test_a_plugin_of_another_version_of_the_contract_is_refused_in_words(
    ask: Ask, install: Install, line: str, said: str
) -> None:
    source = GOOD.replace("KIND", "podman").replace("TIDEMILL_SPI = 1", line)
    install("tide-podman", source, point="podman")
    assert said in ask("plugins.executors.problem('podman')")
    assert "local" in ask("plugins.executors.kinds()")


OTHERS = """
    from pydantic import BaseModel
    from tidemill.spi import ArtifactStoreType, SecretProviderType, hookimpl
    TIDEMILL_SPI = 1

    class Settings(BaseModel, extra="forbid", frozen=True):
        path: str = ""

    @hookimpl
    def tidemill_secrets():
        return [SecretProviderType("vault", Settings, lambda settings, context: None)]

    @hookimpl
    def tidemill_artifact_stores():
        return [ArtifactStoreType("SCHEME", Settings, lambda url, settings, context: None)]
"""


def test_secret_providers_and_artifact_stores_are_found_too(ask: Ask, install: Install) -> None:
    install("tide-vault", OTHERS.replace("SCHEME", "ftp+tls"))
    assert "vault" in ask("plugins.secret_providers.kinds()")
    assert "ftp+tls" in ask("plugins.artifact_stores.kinds()")
    assert ask("infos()")[0][3] == ["vault", "ftp+tls"]


def test_an_address_that_no_store_can_have_is_refused(ask: Ask, install: Install) -> None:
    install("tide-vault", OTHERS.replace("SCHEME", "://"), point="vault")
    assert "kind must be a plain word" in ask("plugins.secret_providers.problem('vault')")
