"""A worker of a user without privileges that runs one step: for what root could do anyway.

`run` starts this file as a program, as another user where the tests are root's. That user
may read any file, since the interpreter may lie in root's home; it has no other privilege.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

NOBODY = 65534
_READS = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


def run(folder: Path, script: str, settings: dict[str, Any], env: dict[str, str]) -> dict[str, Any]:
    """What became of the step: `ok`, `detail`, `output`; or `refused`."""
    folder.mkdir()
    command = [sys.executable, __file__, str(folder), script, json.dumps(settings)]
    if os.getuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        ids = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        command = [shutil.which("setpriv") or "/usr/bin/setpriv", *ids, *_READS, *command]
    done = subprocess.run(
        command,
        env=dict(os.environ) | env,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def main(folder: Path, script: str, settings: dict[str, Any]) -> dict[str, Any]:
    import tidemill_local
    from tidemill.spi import ExecutorContext, ScriptAction, StartError, Work, boot_time
    from tidemill.testing.executor.bench import RecordingIO

    (kind,) = tidemill_local.tidemill_executors()
    executor = kind.factory(ExecutorContext(folder / "scratch", leased=True))
    executor.extend(100, boot_time())
    chosen = kind.settings.model_validate(settings)
    env = {"WORKER": str(os.getpid())}
    work = Work("1", 1, "step", 1, 1, ScriptAction(script), folder, chosen, env)
    io = RecordingIO()
    try:
        outcome = await executor.wait(await executor.start(work, io))
    except StartError as error:
        return {"refused": str(error)}
    finally:
        await executor.close()
    return {"ok": outcome.ok, "detail": outcome.detail, "output": io.kept.decode()}


if __name__ == "__main__":
    result = asyncio.run(main(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])))
    print(json.dumps(result))
