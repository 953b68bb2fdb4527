"""What goes wrong is said in one clear line, and leaves nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker_engine
import docker_images
import pytest
from docker_engine import Engine

import tidemill_docker
from tidemill.spi import Executor, ExecutorContext, Reason, ScriptAction, StartError, Work
from tidemill.testing.executor.bench import Bench, RecordingIO
from tidemill_docker import DockerSettings


def new_executor(folder: Path) -> Executor:
    (kind,) = tidemill_docker.tidemill_executors()
    return kind.factory(ExecutorContext(folder / "scratch"))


def new_work(project: Path, script: str = "true", **settings: object) -> Work:
    given = DockerSettings(**{"image": docker_images.DEBIAN, "pull": "never", **settings})  # type: ignore[arg-type]
    return Work("1", 1, "step", 1, 1, ScriptAction(script), project, given)


async def refusal(folder: Path, **settings: object) -> str:
    executor = new_executor(folder)
    with pytest.raises(StartError) as caught:
        await executor.start(new_work(folder, **settings), RecordingIO())
    await executor.close()
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


async def test_an_image_that_is_missing_and_not_to_be_pulled(
    engine: Engine, tmp_path: Path
) -> None:
    del engine
    said = await refusal(tmp_path, image="no/such:image")
    assert said.startswith('the engine has no image no/such:image, and `pull` is "never"')


@pytest.mark.parametrize("pull", ["missing", "always"])
async def test_an_image_that_cannot_be_pulled(engine: Engine, tmp_path: Path, pull: str) -> None:
    """This engine has no way to any registry."""
    del engine
    said = await refusal(tmp_path, image="registry.invalid/no/such:image", pull=pull)
    assert said.startswith("cannot pull the image registry.invalid/no/such:image: ")


async def test_an_image_without_a_shell(engine: Engine, tmp_path: Path) -> None:
    archive = tmp_path / "empty.tar"
    tarfile.open(archive, "w").close()
    engine.docker("import", str(archive), "empty:latest")
    said = await refusal(tmp_path, image="empty:latest")
    assert said == (
        "cannot start the step in the image empty:latest: it has no sh, which every step is "
        "started by"
    )


async def test_a_folder_that_the_user_may_not_enter(engine: Engine, tmp_path: Path) -> None:
    del engine  # a test's own folder is open to its user alone
    said = await refusal(tmp_path, user="4242:4242")
    assert said.startswith("the user 4242:4242 may not enter the workdir .: set `user`")


async def test_a_network_that_does_not_exist(engine: Engine, tmp_path: Path) -> None:
    del engine
    assert "no-such-network" in await refusal(tmp_path, network="no-such-network")


async def test_there_is_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    said = await refusal(tmp_path)
    assert said == (
        f"cannot reach the Docker engine at unix://{tmp_path}/none: there is no such socket: "
        "install and start Docker, or set DOCKER_HOST"
    )


async def test_nothing_listens_on_the_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as dead:
        dead.bind(f"{tmp_path}/dead")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/dead")
    assert "nothing answers there: start Docker" in await refusal(tmp_path)


def test_a_socket_that_one_may_not_use(engine: Engine, tmp_path: Path) -> None:
    """As a user who may not, in a process of its own."""
    program = (
        "import os, sys; import docker\n"
        "from tidemill.spi import StartError\n"
        "from tidemill_docker.engine import _connect\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: _connect(os.environ['DOCKER_HOST'])\n"
        "except StartError as error: print(error)\n"
    )
    engine.folder.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path,
        env=os.environ | engine.env,
    )  # fmt: skip
    assert "this user may not use its socket: join the group `docker`" in done.stdout, done


async def test_the_docker_package_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    assert await refusal(tmp_path) == (
        "the Docker executor needs the docker package: pip install 'tidemill[docker]'"
    )


@pytest.fixture
def own_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """One that a test may kill."""
    if why := docker_engine.missing():
        pytest.skip(why)
    engine = Engine()
    docker_images.import_images(engine)
    monkeypatch.setenv("DOCKER_HOST", engine.env["DOCKER_HOST"])
    yield engine
    engine.stop()


async def test_an_engine_that_dies_loses_the_step(own_engine: Engine, tmp_path: Path) -> None:
    executor, project = new_executor(tmp_path), tmp_path / "project"
    project.mkdir()
    handle = await executor.start(new_work(project, "sleep 1000"), RecordingIO())
    for child in docker_engine.children(own_engine.process.pid):
        os.kill(child, signal.SIGKILL)
    outcome = await executor.wait(handle)
    assert outcome.reason is Reason.LOST
    assert "does not answer any more" in outcome.detail
    await executor.close()


async def test_a_container_that_somebody_removes_is_a_lost_step(
    bench: Bench, engine: Engine
) -> None:
    running = await bench.start("sleep 1000")
    engine.docker("rm", "--force", *engine.docker("ps", "--quiet").split())
    outcome = await running.end()
    assert outcome.reason in {Reason.LOST, Reason.KILLED}
    await bench.assert_gone()
