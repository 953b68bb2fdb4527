"""The policies of a process: plugins that may keep a step from being offered."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tidemill.plugins import Listener, PluginInfo, Plugins
from tidemill.spi import DispatchTask

log = logging.getLogger(__name__)

SLOW = 0.05
"""Seconds that a call may take without being spoken of: no turn goes on meanwhile."""

REASON_LIMIT = 500
"""Characters of a reason that are kept."""


@dataclass(frozen=True, slots=True)
class InstalledPolicies:
    """See `tidemill.ports.Policy`."""

    policies: Sequence[tuple[PluginInfo, Listener]]

    def veto(self, task: DispatchTask) -> str:
        for info, listener in self.policies:
            begun = time.monotonic()
            reason = _reason(listener, task)
            took = time.monotonic() - begun
            if took > SLOW:
                log.warning("policy %s took %.0f ms for one step", info.title, took * 1000)
            if reason:
                return f"vetoed by {info.title}: {reason[:REASON_LIMIT]}"
        return ""


def policies_of(plugins: Plugins) -> InstalledPolicies | None:
    """None where there is no policy: then nothing is asked, and nothing costs anything."""
    found = plugins.policies()
    return InstalledPolicies(found) if found else None


def _reason(listener: Listener, task: DispatchTask) -> str:
    """Why it must not run, empty where it may. What fails lets nothing pass."""
    try:
        answers = listener.call(task=task)
    except (Exception, SystemExit) as error:  # noqa: BLE001 -- a plugin may raise anything
        return f"it failed: {type(error).__name__}: {_one_line(error)}".removesuffix(": ")
    for answer in answers:
        if not isinstance(answer, str) or not answer.strip():
            return f"it failed: it returned {_one_line(repr(answer))}, neither None nor a reason"
        return _one_line(answer)
    return ""


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
