"""Images from a real registry: what is pulled, when, and what it is afterwards."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import docker_images
import pytest
from docker_engine import Engine
from registry import IMAGE, Registry
from registry_steps import LOGIN, code_of, executor_in, pulled, refusal, work

from tidemill.spi import StartError
from tidemill.testing.executor.bench import RecordingIO

REPOSITORY = IMAGE.rpartition(":")[0]


async def test_an_image_that_is_missing_is_pulled_with_the_login(
    asking_engine: Engine, tmp_path: Path
) -> None:
    async with executor_in(tmp_path) as executor:
        assert await code_of(executor, work(tmp_path)) == 3
    assert len(pulled(asking_engine)) == 1


@pytest.mark.parametrize(("pull", "questions"), [("missing", 0), ("never", 0), ("always", 1)])
async def test_an_image_that_is_there_is_asked_for_as_the_setting_says(
    asking_engine: Engine, real_registry: Registry, tmp_path: Path, pull: str, questions: int
) -> None:
    async with executor_in(tmp_path) as executor:
        await executor.prepare(work(tmp_path))
        before = real_registry.asked("HEAD /v2/team/busybox/manifests")
        assert await code_of(executor, work(tmp_path, pull=pull)) == 3
    assert real_registry.asked("HEAD /v2/team/busybox/manifests") == before + questions
    assert len(pulled(asking_engine)) == 1


async def test_always_takes_what_the_tag_means_by_now(
    asking_engine: Engine, real_registry: Registry, tmp_path: Path
) -> None:
    async with executor_in(tmp_path) as executor:
        await executor.prepare(work(tmp_path))
        first = pulled(asking_engine)
        real_registry.push()
        assert await code_of(executor, work(tmp_path, pull="always")) == 3
    assert first[0] not in asking_engine.docker("inspect", "--format", "{{.Id}}", IMAGE)


async def test_never_asks_no_registry(
    asking_engine: Engine, real_registry: Registry, tmp_path: Path
) -> None:
    before = real_registry.asked("")
    said = await refusal(tmp_path, work(tmp_path, pull="never"))
    assert said == (
        f'the engine has no image {IMAGE}, and `pull` is "never": run docker pull {IMAGE}, '
        'or set pull = "missing"'
    )
    assert (real_registry.asked(""), pulled(asking_engine)) == (before, [])


async def test_an_image_that_was_prepared_is_not_waited_for(
    asking_engine: Engine, real_registry: Registry, tmp_path: Path
) -> None:
    """Also that of a service, and with the login of each. Then the registry may be away."""
    beside = {"image": IMAGE, "registry": LOGIN, "command": ["sleep", "1000"]}
    given = work(tmp_path, docker_images.BUSYBOX, registry=None, service={"beside": beside})
    async with executor_in(tmp_path) as executor:
        await executor.prepare(given)
        assert len(pulled(asking_engine)) == 1
        real_registry.stop()
        try:
            assert await code_of(executor, given) == 3
        finally:
            real_registry.start()


@pytest.mark.parametrize("pull", ["missing", "always"])
async def test_steps_that_need_one_image_pull_it_once(
    asking_engine: Engine, real_registry: Registry, tmp_path: Path, pull: str
) -> None:
    before = real_registry.asked("HEAD /v2/team/busybox/manifests")
    async with executor_in(tmp_path) as executor:
        given = [replace(work(tmp_path, pull=pull), id=str(number)) for number in range(4)]
        assert await asyncio.gather(*(code_of(executor, each) for each in given)) == [3] * 4
    assert real_registry.asked("HEAD /v2/team/busybox/manifests") == before + 1
    assert len(pulled(asking_engine)) == 1


async def test_a_step_without_the_login_gains_nothing_by_another_ones_pull(
    asking_engine: Engine, tmp_path: Path
) -> None:
    """At the same time; with `always` also where the image is there."""
    async with executor_in(tmp_path) as executor:
        stranger = replace(work(tmp_path, registry=None, pull="always"), id="2")
        ends = await asyncio.gather(
            code_of(executor, work(tmp_path)), code_of(executor, stranger), return_exceptions=True
        )
        assert ends[0] == 3
        assert "refuses the image" in str(ends[1])
        with pytest.raises(StartError, match="without a login"):
            await executor.start(replace(stranger, id="3"), RecordingIO())
    assert len(pulled(asking_engine)) == 1


# -- by digest


@pytest.mark.parametrize("tag", ["", ":1"])
async def test_an_image_by_its_digest(
    asking_engine: Engine, real_registry: Registry, tmp_path: Path, tag: str
) -> None:
    del asking_engine
    image = f"{REPOSITORY}{tag}@{real_registry.digest}"
    async with executor_in(tmp_path) as executor:
        assert await code_of(executor, work(tmp_path, image)) == 3
        assert await code_of(executor, replace(work(tmp_path, image, pull="never"), id="2")) == 3


async def test_a_digest_holds_though_the_tag_has_moved(
    asking_engine: Engine, real_registry: Registry, tmp_path: Path
) -> None:
    digest = real_registry.digest
    real_registry.push()
    async with executor_in(tmp_path) as executor:
        assert await code_of(executor, work(tmp_path, f"{IMAGE}@{digest}")) == 3
    (image,) = pulled(asking_engine)
    assert digest in asking_engine.docker("inspect", "--format", "{{.RepoDigests}}", image)


UNKNOWN = "its registry has none of this name and tag or digest; check them"


@pytest.mark.parametrize(
    "image",
    [f"{REPOSITORY}@sha256:{'0' * 64}", f"{REPOSITORY}:2", f"{REPOSITORY}-timeout-denied:1"],
)
async def test_an_image_that_the_registry_has_not(
    asking_engine: Engine, tmp_path: Path, image: str
) -> None:
    said = await refusal(tmp_path, work(tmp_path, image))
    assert said.startswith(f"cannot pull the image {image}: {UNKNOWN} (")
    assert pulled(asking_engine) == []


@pytest.mark.parametrize("image", ["127.0.0.1:5000/Team/x", f"{REPOSITORY}@sha256:12", "a b"])
@pytest.mark.parametrize("pull", ["missing", "always"])
async def test_what_is_no_name_of_an_image(
    asking_engine: Engine, tmp_path: Path, image: str, pull: str
) -> None:
    del asking_engine
    said = await refusal(tmp_path, work(tmp_path, image, pull=pull))
    assert said.startswith(
        (f"{image!r} is no name of an image: ", f"cannot pull the image {image}")
    )
