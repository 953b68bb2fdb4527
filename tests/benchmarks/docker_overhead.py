"""What the Docker executor adds to a container: `python tests/benchmarks/docker_overhead.py
[STEPS]`.

The floor is the same container, by the engine's API directly: same limits, mounts, no
network, read-only root, an init process; create, start, wait, logs, remove. Both run `true`
in the same image of the same engine (one of its own, as the tests have; it takes root), one
after the other by turns, so that whatever slows one down slows the other, too.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

import docker
import docker_engine
import docker_images

import tidemill_docker
from tidemill.spi import Executor, ExecutorContext, ScriptAction, Work
from tidemill.testing.executor.bench import RecordingIO
from tidemill_docker import container

WARM = 5


class Contest:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (kind,) = tidemill_docker.tidemill_executors()
        self._executor: Executor = kind.factory(ExecutorContext(folder / "scratch"))
        self._settings = tidemill_docker.DockerSettings(
            image=docker_images.DEBIAN, pull="never", memory="512MB", cpus=2
        )
        self._client = docker.APIClient(os.environ["DOCKER_HOST"], version="auto")
        (folder / "floor").mkdir()

    def _work(self, number: int) -> Work:
        action = ScriptAction("true")
        return Work(str(number), 1, "s", 1, 1, action, self._folder, self._settings)

    async def ours(self, number: int) -> float:
        work, begun = self._work(number), time.perf_counter()
        handle = await self._executor.start(work, RecordingIO())
        outcome = await self._executor.wait(handle)
        taken = time.perf_counter() - begun
        assert outcome.ok, outcome
        return taken

    def floor(self, number: int) -> float:
        work, client = self._work(number), self._client
        made: dict[str, Any] = container.configuration(
            self._settings, work, self._folder / "floor", {}, "none"
        )
        del made["entrypoint"], made["stdin_open"]
        made |= {"command": ["true"]}
        made["host_config"] = {**made["host_config"], "LogConfig": {"Type": "json-file"}}
        begun = time.perf_counter()
        found = client.create_container(**made)["Id"]
        client.start(found)
        assert client.wait(found)["StatusCode"] == 0
        client.logs(found)
        client.remove_container(found, v=True, force=True)
        return time.perf_counter() - begun

    async def run(self, steps: int) -> tuple[list[float], list[float]]:
        ours, floor = [], []
        for number in range(steps + WARM):
            taken = await self.ours(number), await asyncio.to_thread(self.floor, number)
            if number >= WARM:
                ours.append(taken[0])
                floor.append(taken[1])
        await self._executor.close()
        self._client.close()
        return ours, floor


def show(name: str, taken: list[float]) -> tuple[float, float]:
    median, late = statistics.median(taken), statistics.quantiles(taken, n=10)[-1]
    print(f"{name:9} median {median * 1000:6.1f} ms   p90 {late * 1000:6.1f} ms")
    return median, late


def main(steps: int) -> None:
    if why := docker_engine.missing():
        sys.exit(f"there can be no engine here: {why}")
    engine = docker_engine.Engine()
    try:
        docker_images.import_images(engine)
        os.environ |= {name: engine.env[name] for name in ("DOCKER_HOST", "DOCKER_CONFIG")}
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            folder.chmod(0o755)
            ours, floor = asyncio.run(Contest(folder).run(steps))
        assert docker_images.what_is_left(engine) == []
    finally:
        engine.stop()
    one, other = show("executor", ours), show("engine", floor)
    print(f"ratio     median {one[0] / other[0]:6.2f}      p90 {one[1] / other[1]:6.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
