"""What a hostile step cannot do: each promise is tried from inside of a container."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import docker_engine
import docker_images
import pytest
from docker_engine import Engine
from pydantic import ValidationError

from tidemill.spi import OutputFile, Reason
from tidemill.testing.executor.bench import Bench
from tidemill_docker import DockerSettings


def changed(bench: Bench, **settings: object) -> DockerSettings:
    """The bench's settings with others laid over them."""
    given = {name: getattr(bench.settings, name) for name in bench.settings.model_fields_set}
    return DockerSettings(**{**given, **settings})  # type: ignore[arg-type]


@pytest.mark.parametrize("user", ["", "0:0"])
async def test_it_has_no_capability_and_gains_none(bench: Bench, user: str) -> None:
    """Root in there has none either, nor does a program that is root's by its mode."""
    text = await bench.text("cat /proc/self/status", settings=changed(bench, user=user))
    found = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    sets = {name: int(found[name], 16) for name in found if name.startswith("Cap")}
    assert sets == dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), 0)
    assert found["NoNewPrivs"] == "1"
    assert found["Seccomp"] == "2"


async def test_it_is_not_root_unless_asked_for(bench: Bench) -> None:
    wanted = f"{os.getuid() or 65534} {os.getgid() or 65534}\n"
    assert await bench.text("echo $(id -u) $(id -g)") == wanted


async def test_a_set_user_id_program_gives_nothing(bench: Bench) -> None:
    """`su` is root's and has the bit: it runs as whoever called it."""
    script = "ls -l /bin/su; cp /bin/sleep /tmp/s; chmod u+s /tmp/s; /bin/su -c id root || echo no"
    text = await bench.text(script)
    assert text.startswith("-rws")
    assert text.endswith("no\n")
    assert "uid=0" not in text


async def test_the_images_files_cannot_be_written(bench: Bench) -> None:
    script = (
        "for f in /x /etc/x /usr/bin/x /var/x; do echo x > $f || echo no; done; echo y > /tmp/y"
    )
    settings = changed(bench, user="0:0")
    text = await bench.text(script, settings=settings)
    assert text.count("Read-only file system") == text.count("no\n") == 4


async def test_there_is_no_network(bench: Bench) -> None:
    text = await bench.text("cat /proc/net/dev | tail -n +3 | cut -d: -f1; cat /proc/net/route")
    assert text.split()[:2] == ["lo", "Iface"]  # one interface, and a table with no line
    assert len(text.splitlines()) == 2


async def test_the_bridge_is_there_when_it_is_asked_for(bench: Bench) -> None:
    text = await bench.text("cat /proc/net/dev", settings=changed(bench, network="bridge"))
    assert "eth0" in text


@pytest.mark.parametrize("network", ["host", "container:abc", "default", ""])
def test_a_network_of_somebody_elses_is_refused(network: str) -> None:
    with pytest.raises(ValidationError):
        DockerSettings(image="x", network=network)


async def test_a_fork_bomb_is_held(bench: Bench) -> None:
    """It never has more processes than it may, and is gone at the end."""
    script = "b() { b | b & }; echo ready; b; sleep 1000"
    running = await bench.start(script, settings=changed(bench, pids=64))
    await running.says(b"fork")  # "Cannot fork", says the shell
    assert 0 < len(await bench.find(bench.mark)) <= 64
    await running.stop(0)
    assert (await running.end()).signal == signal.SIGKILL
    await bench.assert_gone()


async def test_it_fills_no_disk_outside_of_its_own_folders(bench: Bench) -> None:
    """Nothing but the folder of its output file, and the project where it may write there,
    is on a disk: the rest is in memory, and bounded. What it puts out is streamed."""
    settings = changed(bench, workspace="ro", tmp=8 << 20)
    script = (
        "for place in /tmp / /workspace /dev /dev/shm /var /etc /root; do"
        "  (head -c 70000000 /dev/zero > $place/big) 2>/dev/null || :;"
        '  [ ! -s $place/big ] || echo "$place $(stat -c %s $place/big)"; rm -f $place/big;'
        " done"
    )
    text = await bench.text(script, settings=settings)
    sizes = {place: int(size) for place, size in map(str.split, text.splitlines())}
    assert sizes.pop("/tmp") == 8 << 20
    assert all(size <= 64 << 20 for size in sizes.values()), sizes


async def test_the_engine_cannot_be_reached(bench: Bench, engine: Engine) -> None:
    socket = engine.env["DOCKER_HOST"].removeprefix("unix://")
    text = await bench.text(
        f"ls -d {socket} /var/run/docker.sock /run/docker.sock || find / -type s 2>/dev/null",
        settings=changed(bench, user="0:0"),
    )
    assert text.count("No such file") == len(text.splitlines()) == 3


OWN = {
    kind: str(Path(f"/proc/self/ns/{kind}").readlink())
    for kind in ("ipc", "mnt", "net", "pid", "uts")
}


async def test_other_processes_are_not_seen(bench: Bench) -> None:
    """Another step's, at the same time, neither."""
    other = await bench.start("echo ready; exec sleep 999")
    await other.says(b"ready")
    text = await bench.text("cat /proc/[0-9]*/cmdline | tr '\\0' ' '; readlink /proc/self/ns/*")
    assert "sleep 999" not in text
    assert "pytest" not in text
    for kind in OWN:
        assert OWN[kind] not in text
    await other.stop(0)
    await other.end()


async def test_another_steps_files_are_not_seen(bench: Bench) -> None:
    other = await bench.start('echo secret > "$TIDE_OUTPUT"; echo s > /tmp/s; echo ready; sleep 99')
    await other.says(b"ready")
    assert await bench.text('ls -A /tmp; cat "$TIDE_OUTPUT" 2>/dev/null || echo none') == "none\n"
    await other.stop(0)
    await other.end()


async def test_devices_and_kernel_settings_are_out_of_reach(bench: Bench) -> None:
    script = (
        "mknod /tmp/d b 8 0 || echo no; mount -t tmpfs t /tmp || echo no;"
        " echo 1 > /proc/sys/kernel/sysrq || echo no; unshare -U true || echo no;"
        " echo b > /proc/sysrq-trigger || echo no"
    )
    text = await bench.text(script, settings=changed(bench, user="0:0"))
    assert text.split("\n").count("no") == 5


async def test_a_project_that_is_read_only_cannot_be_written(bench: Bench) -> None:
    (bench.project / "there").write_text("content\n")
    settings = changed(bench, user="0:0", workspace="ro")
    text = await bench.text("cat there; echo x > new || echo no", settings=settings)
    assert text.startswith("content\n")
    assert text.endswith("no\n")


async def test_without_the_project_there_is_an_empty_folder(bench: Bench) -> None:
    (bench.project / "there").write_text("content\n")
    settings = changed(bench, workspace="none")
    outcome, running = await bench.run(
        "ls -A; pwd; echo made > made",
        settings=settings, workdir="a/b", outputs=(OutputFile("made", "made"),),
    )  # fmt: skip
    assert (outcome.ok, running.output) == (True, b"/workspace/a/b\n")
    assert running.io.files == {("made", "made"): b"made\n"}
    assert [path.name for path in bench.project.iterdir()] == ["there"]


@pytest.mark.parametrize("target", ["/etc/hostname", "/proc/1/environ", "/dev/zero"])
async def test_a_link_in_place_of_the_output_file_is_not_followed(
    bench: Bench, target: str
) -> None:
    """The worker reads that file, as a user who may read more than the step."""
    outcome, _ = await bench.run(f'ln -s {target} "$TIDE_OUTPUT"')
    assert (outcome.ok, outcome.values) == (True, b"")


async def test_a_workdir_that_leads_out_of_the_project_gives_no_files(bench: Bench) -> None:
    outside = bench.project.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (bench.project / "link").symlink_to("/etc")
    for workdir in ("link", "..", "/etc"):
        outcome, running = await bench.run(
            "true", workdir=workdir, outputs=(OutputFile("x", "**/*"),)
        )
        assert (outcome.ok, running.io.files) == (True, {})


async def test_a_secret_is_in_nothing_that_the_engine_shows(bench: Bench, engine: Engine) -> None:
    env = {"TOKEN": "opensesame"}
    running = await bench.start('echo "$TOKEN"; sleep 1000', env=env)
    await running.says(b"opensesame")
    (container,) = engine.docker("ps", "--quiet").split()
    shown = engine.docker("inspect", container)
    assert "opensesame" not in shown
    labels = json.loads(shown)[0]["Config"]["Labels"]
    assert labels["tidemill.step"] == running.work.step
    assert labels["tidemill.fence"] == "1"
    kept = [path for path in bench.project.parent.rglob("*") if path.is_file()]
    assert not [path for path in kept if b"opensesame" in path.read_bytes()]
    await running.stop(0)
    await running.end()


async def test_too_much_memory_is_said_in_words(bench: Bench) -> None:
    settings = changed(bench, memory="32MB")
    outcome, _ = await bench.run("exec tail /dev/zero", settings=settings)
    assert (outcome.reason, outcome.signal) == (Reason.KILLED, signal.SIGKILL)
    assert outcome.detail.startswith("out of memory")


async def test_a_kill_is_no_lack_of_memory(bench: Bench) -> None:
    outcome, _ = await bench.run("kill -KILL $$", settings=changed(bench, memory="64MB"))
    assert (outcome.signal, outcome.detail) == (signal.SIGKILL, "")


async def test_a_step_that_kills_all_around_it_is_killed(bench: Bench) -> None:
    outcome, _ = await bench.run("kill -KILL -1; sleep 1000")
    assert (outcome.reason, outcome.signal) == (Reason.KILLED, signal.SIGKILL)


async def test_busyboxs_shell_does_as_well(bench: Bench) -> None:
    settings = changed(bench, image=docker_images.BUSYBOX)
    outcome, running = await bench.run("echo $V; exit 130", env={"V": "é'x"}, settings=settings)
    assert (outcome.code, running.output) == (130, "é'x\n".encode())
    script = "trap 'echo asked; exit 9' TERM; echo ready; while :; do sleep 0.01; done"
    running = await bench.start(script, settings=settings)
    await running.says(b"ready")
    await running.stop(30)
    assert (await running.end()).code == 9
    assert running.output.count(b"asked") == 1


async def test_sigterm_comes_once(bench: Bench) -> None:
    """Programs take a second one as an order to end without care."""
    script = "trap 'echo asked' TERM; echo ready; for i in 1 2 3 4 5 6 7 8; do sleep 0.1 || :; done"
    running = await bench.start(script)
    await running.says(b"ready")
    await running.stop(30)
    assert (await running.end()).ok
    assert running.output.count(b"asked") == 1


async def test_a_cpu_bound_holds(bench: Bench) -> None:
    """What the engine was told: how well the kernel keeps it is not ours to measure."""
    limit = "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"
    script = f"cat {limit} 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max"
    assert await bench.text(script, settings=changed(bench, cpus=0.5)) == "50000\n"


async def test_an_engine_that_does_not_answer_holds_up_nothing_else(
    bench: Bench, engine: Engine
) -> None:
    """It stands still: a start and a stop wait for it, and the loop goes on."""
    running = await bench.start("sleep 1000")
    daemons = docker_engine.children(engine.process.pid)
    for daemon in daemons:
        os.kill(daemon, signal.SIGSTOP)
    try:
        starting = asyncio.create_task(bench.text("echo late"))
        await running.stop(0)
        ending = asyncio.create_task(running.end())
        for _ in range(100):
            await asyncio.sleep(0.002)
        assert not starting.done()
        assert not ending.done()
    finally:
        for daemon in daemons:
            os.kill(daemon, signal.SIGCONT)
    assert await starting == "late\n"
    assert (await ending).signal == signal.SIGKILL
    left = await asyncio.to_thread(list, (bench.project.parent / "scratch").glob("docker-*/*"))
    assert left == []
