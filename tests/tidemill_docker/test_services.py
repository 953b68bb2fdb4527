"""Services beside a step: reached by their names, held like steps, and gone with it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta

import docker_engine
import docker_images
import pytest
from docker_engine import Engine
from pydantic import SecretStr, ValidationError

from tidemill.spi import Reason, StartError
from tidemill.testing.executor.bench import Bench, RecordingIO
from tidemill_docker.settings import DockerSettings, Service

WEB = {
    "image": docker_images.BUSYBOX,
    "pull": "never",
    "command": ["sh", "-c", "echo hello >/tmp/x; exec httpd -f -p 8080 -h /tmp"],
    "port": 8080,
    "interval": 0.05,
}


def settings(network: str = "none", **services: dict[str, object]) -> DockerSettings:
    return DockerSettings.model_validate(
        {
            "image": docker_images.BUSYBOX, "pull": "never", "network": network,
            "service": services,
        }
    )  # fmt: skip


def changed(**values: object) -> dict[str, object]:
    return {**WEB, **values}


def idle(**values: object) -> dict[str, object]:
    return {**changed(command=["sleep", "1000"], port=None), **values}


async def refusal(bench: Bench, **services: dict[str, object]) -> tuple[str, str]:
    """What the start says, and what the step's output has."""
    work = bench.work("true", settings=settings(**services))
    io = RecordingIO()
    with pytest.raises(StartError) as caught:
        await bench.executor.start(work, io)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value), bytes(io.kept).decode()


async def test_a_step_reaches_its_service_by_its_name(bench: Bench) -> None:
    text = await bench.text("wget -qO- http://web:8080/x", settings=settings(web=WEB))
    assert text == "hello\n"


async def test_services_reach_each_other(bench: Bench) -> None:
    asks = ["sh", "-c", "until wget -qO /tmp/y http://web:8080/x; do sleep 0.1; done; sleep 99"]
    second = changed(command=asks, port=None, ready=["test", "-s", "/tmp/y"])
    assert await bench.text("echo met", settings=settings(web=WEB, second=second)) == "met\n"


async def test_the_step_starts_when_they_are_ready(bench: Bench) -> None:
    slow = changed(command=["sh", "-c", "sleep 0.5; exec httpd -f -p 8080 -h /tmp"])
    late = idle(
        command=["sh", "-c", "sleep 0.7; touch /tmp/ready; sleep 99"],
        ready=["test", "-e", "/tmp/ready"],
    )
    text = await bench.text(
        "wget -qO- http://slow:8080/none 2>&1 || echo answered",
        settings=settings(slow=slow, late=late),
    )
    assert "404" in text


async def test_a_port_of_its_own_loopback_is_not_ready(bench: Bench) -> None:
    hidden = changed(
        command=["httpd", "-f", "-p", "127.0.0.1:8080"], timeout=0.3,
    )  # fmt: skip
    said, _ = await refusal(bench, web=hidden)
    assert said == ("the service web was not ready within 0.3 s: nothing listens on its port 8080")


async def test_one_that_is_not_ready_in_time_shows_its_log(bench: Bench) -> None:
    script = "echo starting; echo no such disk >&2; sleep 1000"
    stuck = idle(command=["sh", "-c", script], ready=["false"], timeout=0.3)
    said, shown = await refusal(bench, db=stuck)
    assert said == "the service db was not ready within 0.3 s: `false` ended with 1"
    assert sorted(shown.splitlines()) == ["db | no such disk", "db | starting"]


async def test_one_that_ends_before_it_is_ready_shows_its_log(bench: Bench) -> None:
    broken = idle(command=["sh", "-c", "echo bad password; exit 3"], ready=["true"])
    broken["ready"] = ["false"]
    said, shown = await refusal(bench, db=broken, web=WEB)
    assert said == "the service db ended with 3 before it was ready"
    assert shown == "db | bad password\n"


async def test_one_that_runs_out_of_memory_says_so(bench: Bench) -> None:
    greedy = idle(command=["tail", "/dev/zero"], ready=["false"], memory="16MB")
    said, _ = await refusal(bench, db=greedy)
    assert said == "the service db ran out of memory: raise its `memory`"


async def test_a_program_that_is_not_there_is_told(bench: Bench) -> None:
    said, shown = await refusal(bench, db=idle(command=["no-such-program"], ready=["false"]))
    assert said == "the service db ended with 127 before it was ready"
    assert "no-such-program" in shown


async def test_an_image_that_is_missing_is_told(bench: Bench) -> None:
    said, _ = await refusal(bench, db=idle(image="no/such:image"), web=WEB)
    assert said.startswith("the engine has no image no/such:image")


async def test_its_variables_reach_it_and_nothing_that_the_engine_shows(
    bench: Bench, engine: Engine
) -> None:
    """Secret or not: they come on its standard input."""
    script = 'echo "$TOKEN $PLAIN" >/tmp/x; exec httpd -f -p 8080 -h /tmp'
    env = {"TOKEN": SecretStr("open'sesame"), "PLAIN": "é"}
    web = changed(command=["sh", "-c", script], env=env)
    running = await bench.start(
        "wget -qO- http://web:8080/x; echo ready; sleep 1000", settings=settings(web=web)
    )
    await running.says(b"ready")
    assert running.output == "open'sesame é\nready\n".encode()
    shown = engine.docker("inspect", *engine.docker("ps", "--quiet").split())
    assert "sesame" not in shown
    kept = [path for path in engine.folder.glob("data/containers/**/*") if path.is_file()]
    assert not [path for path in kept if b"sesame" in path.read_bytes()]
    await running.stop(0)
    await running.end()


def test_a_secret_of_a_service_is_in_no_text_of_its_settings() -> None:
    made = settings(db=idle(env={"A": "opensesame"}))
    assert "opensesame" not in repr(made)
    assert made.service["db"].variables() == {"A": "opensesame"}


async def test_it_is_held_like_a_step(bench: Bench, engine: Engine) -> None:
    running = await bench.start(
        "echo ready; sleep 1000", settings=settings(web=changed(pids=99, memory="32MB"))
    )
    await running.says(b"ready")
    (found,) = engine.docker("ps", "--quiet", "--filter", "label=tidemill.service").split()
    (shown,) = json.loads(engine.docker("inspect", found))
    host = shown["HostConfig"]
    assert (host["CapDrop"], host["SecurityOpt"]) == (["ALL"], ["no-new-privileges"])
    assert (host["ReadonlyRootfs"], host["PidsLimit"], host["Memory"]) == (True, 99, 32_000_000)
    assert (host["Privileged"], host["Binds"], shown["Mounts"]) == (False, None, [])
    assert host["LogConfig"]["Config"] == {"max-size": "1m", "max-file": "1"}
    assert shown["Config"]["User"] not in {"", "0", "root"}
    assert host["Dns"] == ["127.0.0.1"]  # what asks for other names is not sent on
    await running.stop(0)
    await running.end()


async def test_a_folder_that_it_may_write_to_is_its_own_and_bounded(bench: Bench) -> None:
    script = (
        "ls -ld /data/db >/tmp/x; dd if=/dev/zero of=/data/db/f bs=1k count=100 2>>/tmp/x;"
        " exec httpd -f -p 8080 -h /tmp"
    )
    web = changed(command=["sh", "-c", script], writable=["/data/db"], user="70:71", tmp="8KB")
    text = await bench.text("wget -qO- http://web:8080/x", settings=settings(web=web))
    assert text.startswith("drwx------")
    assert " 70 " in text
    assert "No space left" in text


# -- the network


ASK = r"printf 'GET /none HTTP/1.0\r\n\r\n'"
FOUND = "HTTP/1.1 404 Not Found"


@pytest.fixture
def machine(engine: Engine) -> Iterator[str]:
    """A server of the machine that the engine runs on: its port."""
    (dockerd,) = docker_engine.children(engine.process.pid)
    command = ["nsenter", f"--net=/proc/{dockerd}/ns/net", "busybox", "httpd", "-f", "-p", "9999"]
    with subprocess.Popen(command, cwd="/usr/share") as server:
        yield "9999"
        server.kill()


async def test_the_network_leads_nowhere_else(bench: Bench, machine: str) -> None:
    """Not to the machine itself either, which on other networks is the gateway."""
    script = f"""
      ours=$(ip -4 addr show eth0 | sed -n 's/.*inet \\([0-9.]*\\)\\..*/\\1/p')
      for host in $ours.1 172.17.0.1; do
        {ASK} | nc -w2 $host {machine} 2>&1 | grep -q 404 && echo reached || echo no
      done
    """
    shared = await bench.text(script, settings=settings("bridge", web=WEB))
    assert shared.split() == ["reached", "reached"]
    own = await bench.text(script, settings=settings(web=WEB))
    assert own.split() == ["no", "no"]


async def test_a_step_that_asks_for_a_network_has_both(bench: Bench) -> None:
    text = await bench.text(
        "ip route; wget -qO- http://web:8080/x", settings=settings("bridge", web=WEB)
    )
    assert "default via" in text
    assert text.endswith("hello\n")


async def test_a_step_on_a_network_of_the_engine_has_its_services_too(
    bench: Bench, engine: Engine
) -> None:
    engine.docker("network", "create", "shared")
    try:
        text = await bench.text(
            "wget -qO- http://web:8080/x; ls /sys/class/net", settings=settings("shared", web=WEB)
        )
        assert text.split() == ["hello", "eth0", "eth1", "lo"]
    finally:
        engine.docker("network", "rm", "shared")


async def test_another_steps_service_is_out_of_reach(bench: Bench, engine: Engine) -> None:
    other = await bench.start("echo ready; sleep 1000", settings=settings(web=WEB))
    await other.says(b"ready")
    (found,) = engine.docker("ps", "--quiet", "--filter", "label=tidemill.service").split()
    pattern = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    address = engine.docker("inspect", "--format", pattern, found).strip()
    assert address
    text = await bench.text(
        f"for h in {address} web own; do {ASK} | nc -w1 $h 8080 || echo no; done",
        settings=settings(own=WEB),
    )
    lines = [line for line in text.splitlines() if line in {"no", FOUND}]
    assert lines == ["no", "no", FOUND]
    await other.stop(0)
    await other.end()


# -- the end; that nothing is left is looked at behind every test (`conftest.py`)


@pytest.mark.parametrize("script", ["true", "exit 3", "kill -KILL $$"])
async def test_they_are_gone_when_the_step_is_over(
    bench: Bench, engine: Engine, script: str
) -> None:
    await bench.run(script, settings=settings(web=WEB, idle=idle()))
    assert docker_images.what_is_left(engine) == []


@pytest.mark.parametrize("grace", [0, 0.2])
async def test_they_are_gone_when_it_is_stopped(bench: Bench, engine: Engine, grace: float) -> None:
    running = await bench.start(
        "trap '' TERM; echo ready; while :; do sleep 1; done", settings=settings(web=WEB)
    )
    await running.says(b"ready")
    await running.stop(grace)
    assert (await running.end()).reason is Reason.KILLED
    assert docker_images.what_is_left(engine) == []


def until_there(engine: Engine, service: str) -> None:
    while service not in engine.docker("ps", "--format", '{{.Label "tidemill.service"}}'):
        time.sleep(0.05)


async def test_a_start_that_is_given_up_leaves_nothing(bench: Bench, engine: Engine) -> None:
    """While it waits for a service that never becomes ready."""
    stuck = idle(ready=["false"], timeout=60)
    work = bench.work("true", settings=settings(db=stuck))
    starting = asyncio.create_task(bench.executor.start(work, RecordingIO()))
    await asyncio.to_thread(until_there, engine, "db")
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await asyncio.wait_for(bench.executor.close(), 20)
    assert docker_images.what_is_left(engine) == []


@pytest.mark.parametrize("name", ["localhost", "a b", "Db", "-x", "a.b", ""])
def test_a_name_that_no_host_has_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        settings(**{name: WEB})


@pytest.mark.parametrize(
    "wrong", [{"writable": ["data"]}, {"writable": ["/a/../b"]}, {"env": {"A-B": "x"}}]
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Service.model_validate(changed(**wrong))


def test_a_service_has_time_as_the_language_gives_it() -> None:
    assert settings(web=WEB).service["web"].interval == timedelta(seconds=0.05)
