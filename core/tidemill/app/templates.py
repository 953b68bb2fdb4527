"""Templates of messages are filled in by a process of its own: see `tidelang.rendering`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping

from tidelang.rendering import request
from tidelang.values import Value
from tidemill.ports import TemplateError

SECONDS = 20.0
"""After which nothing more is waited for: on a machine that is busy, a few CPU seconds take
longer."""


class ApartTemplates:
    """See `tidemill.ports.Templates`."""

    async def render(
        self, templates: Mapping[str, str], names: Mapping[str, Value]
    ) -> Mapping[str, str]:
        if not templates:
            return {}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            "tidelang.rendering",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},  # what is in ours, secrets perhaps, is no business of a template
        )
        try:
            async with asyncio.timeout(SECONDS):
                out, _ = await process.communicate(request(templates, names))
        except TimeoutError:
            raise TemplateError("the templates of its message take too long") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise TemplateError("the templates of its message take too long, or too much memory")
        answer = json.loads(out)
        if "error" in answer:
            raise TemplateError(f"`{answer['template']}` cannot be filled in: {answer['error']}")
        texts: Mapping[str, str] = answer["texts"]
        return texts
