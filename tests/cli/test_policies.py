"""A plugin may keep a step from being run, and says why."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from distributions import install

Tidemill = Callable[..., subprocess.CompletedProcess[str]]

POLICY = """
    import json, time
    from dataclasses import asdict
    from tidemill.spi import hookimpl
    TIDEMILL_SPI = 1

    @hookimpl
    def tidemill_before_dispatch(task):
        BODY
"""


@pytest.fixture(autouse=True)
def site(tmp_path: Path, clean_environment: dict[str, str]) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    clean_environment["PYTHONPATH"] = str(folder)
    return folder


def policy(site: Path, body: str, name: str = "tide-policy") -> None:
    install(site, name, POLICY.replace("BODY", body))


def test_a_veto_fails_the_step_with_its_reason_and_it_is_not_tried_again(
    tidemill: Tidemill, tide: Callable[..., Path], site: Path
) -> None:
    policy(site, "return 'not on a\\nFriday' if task.step == 'no' else None")
    tide("""
      step ok { run = "echo went" }
      step no { retry { attempts = 3, backoff = 10ms }
        run = "touch ran" }
      step after { needs = [no]
        run = "true" }
    """)
    done = tidemill("run", "x.tide")
    assert done.returncode == 1
    assert "no failed: vetoed by tide-policy 1.2: not on a Friday" in done.stdout
    assert "ok | went" in done.stdout
    assert not (site.parent / "ran").exists()
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("1 / 0", "it failed: ZeroDivisionError: division by zero"),
        ("raise SystemExit(0)", "it failed: SystemExit: 0"),
        ("return True", "it failed: it returned True, neither None nor a reason"),
        ("return ' '", "it failed: it returned ' ', neither None nor a reason"),
        ("task.pool = 'mine'", "it failed: FrozenInstanceError: cannot assign to field 'pool'"),
    ],
)
def test_a_policy_that_fails_lets_nothing_pass(
    tidemill: Tidemill, tide: Callable[..., Path], site: Path, body: str, said: str
) -> None:
    policy(site, body)
    tide('step s { run = "touch ran" }')
    done = tidemill("run", "x.tide")
    assert done.returncode == 1
    assert f"s failed: vetoed by tide-policy 1.2: {said}" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not (site.parent / "ran").exists()


def test_it_sees_the_step_as_it_is_to_be_run_and_changes_nothing(
    tidemill: Tidemill, tide: Callable[..., Path], site: Path
) -> None:
    body = "open('seen', 'a').write(json.dumps(asdict(task)) + '\\n'); "
    policy(
        site, body + "task.settings['inherit'].clear(); task.params.clear(); task.labels.clear()"
    )
    tide("""
      param who: string = "you"
      step each for n in [1, 2] {
        executor local { inherit = ["HOME_{{ n }}"] }
        priority = high
        pool = "big"
        labels { disk = "fast" }
        resources { cpu = 2 }
        idempotent = false
        run = "echo {{ who }} {{ n }} $HOME_2"
      }
    """)
    done = tidemill("run", "x.tide", env=_with(tidemill_home="here", site=site))
    assert done.returncode == 0, done.stdout
    assert "each[2] | you 2 here" in done.stdout, "the order is what it was"
    seen = [json.loads(line) for line in (site.parent / "seen").read_text().splitlines()]
    assert [each.pop("key") for each in seen] == ["each[1]", "each[2]"]
    assert [each.pop("settings") for each in seen] == [
        {"inherit": ["HOME_1"]},
        {"inherit": ["HOME_2"]},
    ]
    assert seen[0] == seen[1] == {
        "run": 1, "pipeline": "demo", "file": "x.tide", "step": "each", "attempt": 1,
        "executor": "local", "pool": "big", "priority": "high", "labels": {"disk": "fast"},
        "regions": [], "resources": {"cpu": 2}, "params": {"who": "you"}, "idempotent": False,
    }  # fmt: skip


def _with(*, tidemill_home: str, site: Path) -> dict[str, str]:
    return {**os.environ, "HOME_2": tidemill_home, "PYTHONPATH": str(site)}


SECRETIVE = """
    from pydantic import BaseModel, SecretStr
    from tidemill.spi import ExecutorType, hookimpl
    TIDEMILL_SPI = 1

    class Settings(BaseModel, extra="forbid"):
        host: str
        token: SecretStr
        tokens: dict[str, SecretStr] = {}

    @hookimpl
    def tidemill_executors():
        return [ExecutorType("far", Settings, lambda context: None)]
"""


def test_it_sees_no_setting_that_is_made_of_a_secret(
    tidemill: Tidemill, tide: Callable[..., Path], site: Path
) -> None:
    install(site, "tide-far", SECRETIVE)
    policy(site, "return json.dumps(task.settings)")
    tide("""step s {
      executor far { host = "h", token = secret("NAME") }
      run = "true"
    }""")
    done = tidemill("run", "x.tide", env={**_with(tidemill_home="", site=site), "NAME": "hush"})
    assert 's failed: vetoed by tide-policy 1.2: {"host": "h"}' in done.stdout, done.stdout


def test_a_slow_policy_is_spoken_of(
    tidemill: Tidemill, tide: Callable[..., Path], site: Path
) -> None:
    policy(site, "time.sleep(0.06)")
    tide('step s { run = "true" }')
    done = tidemill("run", "x.tide")
    assert done.returncode == 0
    assert re.search(r"policy tide-policy 1\.2 took \d+ ms for one step", done.stderr)


def test_of_several_policies_the_first_veto_counts(
    tidemill: Tidemill, tide: Callable[..., Path], site: Path
) -> None:
    for name, body in {"tide-a": "return None", "tide-b": "return 'b'", "tide-c": "1/0"}.items():
        policy(site, body, name)
    tide('step s { run = "true" }')
    assert "s failed: vetoed by tide-b 1.2: b" in tidemill("run", "x.tide").stdout


def test_a_coroutine_function_is_no_hook(tidemill: Tidemill, site: Path) -> None:
    source = POLICY.replace("def tidemill", "async def tidemill").replace("BODY", "return None")
    install(site, "tide-policy", source)
    done = tidemill("plugins")
    assert done.returncode == 3
    assert "tidemill_before_dispatch is a coroutine function" in done.stdout


def test_policies_are_listed(tidemill: Tidemill, site: Path) -> None:
    policy(site, "return None")
    lines = [line.split() for line in tidemill("plugins").stdout.splitlines()]
    assert ["tide_policy", "policy", "tide-policy", "1.2", "ok"] in [line[:5] for line in lines]
