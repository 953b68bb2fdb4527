"""Logins of a registry: whom it lets in, and that a password is kept nowhere."""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import registry
from docker_engine import Engine
from registry import IMAGE, PASSWORD, USER, Registry
from registry_steps import code_of, executor_in, pulled, refusal, work

from tidemill.spi import StartError
from tidemill.testing.executor.bench import RecordingIO


@pytest.mark.parametrize(
    ("login", "who"),
    [
        ({"username": USER, "password": "wrong"}, f"as {USER!r}"),
        ({"username": "nobody", "password": PASSWORD}, "as 'nobody'"),
        (None, "without a login"),
    ],
)
async def test_a_registry_that_lets_nobody_in(
    asking_engine: Engine, tmp_path: Path, login: object, who: str
) -> None:
    said = await refusal(tmp_path, work(tmp_path, registry=login))
    assert said.startswith(
        f"the registry refuses the image {IMAGE} {who}: check its name and the setting `registry` ("
    )
    assert pulled(asking_engine) == []


async def test_the_login_of_docker_login_is_used_as_it_is_by_now(
    asking_engine: Engine, real_registry: Registry, tmp_path: Path
) -> None:
    """Tokens of some registries hold for hours, a worker runs for months."""
    config = asking_engine.folder / "config.json"
    wrong = base64.b64encode(f"{USER}:wrong".encode()).decode()
    config.write_text(json.dumps({"auths": {f"127.0.0.1:{registry.PORT}": {"auth": wrong}}}))
    async with executor_in(tmp_path) as executor:
        with pytest.raises(StartError, match="with the login of `docker login`: check"):
            await executor.start(work(tmp_path, registry=None), RecordingIO())
        real_registry.log_in(PASSWORD)
        assert await code_of(executor, work(tmp_path, registry=None)) == 3


@pytest.mark.filterwarnings("ignore:docker-credential")
async def test_a_credential_helper_that_is_missing_is_named(
    asking_engine: Engine, tmp_path: Path
) -> None:
    (asking_engine.folder / "config.json").write_text('{"credsStore": "no-such-helper"}')
    said = await refusal(tmp_path, work(tmp_path, registry=None))
    assert said.startswith(f"cannot pull the image {IMAGE}: ")
    assert "docker-credential-no-such-helper" in said


async def test_a_password_is_kept_nowhere(
    asking_engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not where the engine keeps things, in its log, in what it shows, in the worker's log or
    files, or where `docker login` keeps its own."""
    caplog.set_level(logging.DEBUG)
    async with executor_in(tmp_path) as executor:
        given = work(tmp_path, script="sleep 1000", pull="always")
        assert PASSWORD not in repr(given)
        handle = await executor.start(given, RecordingIO())
        container = asking_engine.docker("ps", "--quiet").strip()
        shown = asking_engine.docker("inspect", container) + asking_engine.docker("inspect", IMAGE)
        places = [asking_engine.data, asking_engine.folder, tmp_path]
        files = [path for place in places for path in place.rglob("*") if path.is_file()]
        kept = {path: path.read_bytes() for path in files if path.name != "random"}
        await executor.stop(handle, 0)
        await executor.wait(handle)
    assert len(kept) > 20
    assert not (asking_engine.folder / "config.json").exists()
    login = f"{USER}:{PASSWORD}".encode()
    for form in (PASSWORD.encode(), base64.b64encode(login), base64.b64encode(PASSWORD.encode())):
        assert [path for path, content in kept.items() if form in content] == []
        assert form.decode() not in shown + caplog.text
    assert "/images/create" in caplog.text  # the log would have it


FILE = """
pipeline images {{
  step pulls {{
    run = "echo ran in it"
    executor docker {{
      image     = "{image}"
      workspace = "none"
      registry  = {{ username = "{user}", password = secret("REGISTRY_TOKEN") }}
    }}
  }}
}}
"""


def tidemill_run(folder: Path, image: str) -> tuple[int, str]:
    """How it ended, and all that it put out or keeps."""
    (folder / "tidemill.toml").touch()
    (folder / "images.tide").write_text(FILE.format(image=image, user=USER))
    done = subprocess.run(
        [Path(sys.executable).with_name("tidemill"), "run", "images.tide"],
        cwd=folder, env=os.environ | {"REGISTRY_TOKEN": PASSWORD}, capture_output=True, text=True,
    )  # fmt: skip
    kept = [path.read_bytes() for path in (folder / ".tidemill").rglob("*") if path.is_file()]
    assert len(kept) > 1
    return done.returncode, done.stdout + done.stderr + b"\n".join(kept).decode("latin-1")


def login_in(text: str) -> list[str]:
    both = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return [form for form in (PASSWORD, PASSWORD[5:], both, both[8:24]) if form in text]


def test_the_password_of_a_pipeline_is_a_secret(asking_engine: Engine, tmp_path: Path) -> None:
    """Its name stands in the file, and its value in nothing that Tidemill keeps."""
    code, text = tidemill_run(tmp_path, IMAGE)
    assert (code, "ran in it" in text, login_in(text)) == (0, True, [])
    assert len(pulled(asking_engine)) == 1


def test_a_registry_that_says_the_password_in_its_refusal(
    asking_engine: Engine, tmp_path: Path
) -> None:
    with registry.proxy(asking_engine, "tells") as where:
        code, text = tidemill_run(tmp_path, f"{where}/team/busybox:1")
    assert (code, login_in(text)) == (1, [])
    assert f"refuses the image {where}/team/busybox:1 as '{USER}': check its name" in text
    assert "its reason is not shown: the login stands in it" in text
