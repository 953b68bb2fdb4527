"""A client of the fleet: a process of its own, on a host of its own, that calls what the
commands `trigger`, `cancel`, `retry`, `emit` and `pause` call, without starting Python for each. It
also sends events over NATS, and counts what waits there."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
from pathlib import Path

import nats.errors
import nats.js.errors
from chaos_timed import SUBJECT

from fleet import Fleet
from tidemill.app import request_cancel, retry, trigger
from tidemill.app.events import emit
from tidemill.app.fleet import fleet
from tidemill.app.pausing import pause
from tidemill.app.reach import access
from tidemill.broker import subjects
from tidemill.broker.connection import connect
from tidemill.errors import TidemillError
from tidemill.project import Project


class Client:
    """Asks one thing at a time, and waits for the answer."""

    def __init__(self, fleet: Fleet) -> None:
        with (fleet.folder / "client.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*fleet.inside("client"), sys.executable, __file__, str(fleet.folder)],
                env=fleet.env | {"PYTHONPATH": str(Path(__file__).parent)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def ask(self, verb: str, of: str | int) -> int | None:
        """The number of the run that was made (0 where none is made), or the count that was
        asked for; None where nobody knows whether it was done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{verb} {of}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().split()
        assert answer, "the client has died: see client.log"
        return int(answer[1]) if answer[0] == "done" else None

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def main(folder: Path) -> None:
    project = Project(folder)
    for line in sys.stdin:
        verb, *of = line.split()
        try:
            print("done", _do(project, verb, *of), flush=True)
        except (TidemillError, TimeoutError, nats.errors.Error, nats.js.errors.Error) as error:
            print(f"{line.strip()}: {error}", file=sys.stderr, flush=True)
            print("unknown", flush=True)
        gc.collect()  # each call opens the database


def _do(project: Project, verb: str, of: str, more: str = "") -> int:
    if verb == "emit":
        return int(emit(project, SUBJECT, json.dumps({"k": of}), more).new)
    if verb == "publish":
        return asyncio.run(_publish(project, json.dumps({"k": of}), more))
    if verb == "pause":
        return len(pause(project, of, None, "the end"))
    if verb == "trigger":
        return trigger(project, of, {})
    if verb == "retry":
        return retry(project, int(of))
    if verb == "waiting":
        return asyncio.run(_waiting(project, of, more))
    request_cancel(project, int(of))
    return 0


async def _publish(project: Project, data: str, key: str) -> int:
    found = access(fleet(project))
    assert found is not None
    client = await connect(found, "sender", brief=True)
    try:
        headers = {"Nats-Msg-Id": key}
        await client.jetstream().publish(subjects.event(SUBJECT), data.encode(), headers=headers)
    finally:
        await client.close()
    return 0


async def _waiting(project: Project, stream: str, subject: str) -> int:
    found = access(fleet(project))
    assert found is not None
    client = await connect(found, "count", brief=True)
    info = await client.jetstream().stream_info(stream, subjects_filter=subject)
    await client.close()
    return sum((info.state.subjects or {}).values())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
