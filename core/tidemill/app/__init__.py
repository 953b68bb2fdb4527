"""The application: the one place where ports meet adapters.

The command line, and later a server, call what is here; nothing below knows of it. Its
parts are imported when they are first asked for: `tidemill trigger` needs neither the
compiler nor what drives a run on this machine.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import tidemill.foreign  # noqa: F401 -- what is worked out here may call plugins' functions

if TYPE_CHECKING:
    from tidemill.app.acting import is_pooled, request_cancel, request_decision
    from tidemill.app.applying import Applied, Sources, apply, plan_files, retry, trigger
    from tidemill.app.doctor import Check, checks
    from tidemill.app.history import History
    from tidemill.app.installed import Installed, installed
    from tidemill.app.local import LocalRun
    from tidemill.app.plan_file import read_plan, save_plan
    from tidemill.app.planning import FilePlan
    from tidemill.app.requests import MistakesError, compiled, one_pipeline
    from tidemill.app.runs import PlanView, open_retry, open_run, plan
    from tidemill.app.secrets import (
        SecretState,
        secret_sources,
        secret_states,
        secrets_in,
    )
    from tidemill.engine.approvals import Answer
    from tidemill.project import Project, find_project

__all__ = [
    "Answer",
    "Applied",
    "Check",
    "FilePlan",
    "History",
    "Installed",
    "LocalRun",
    "MistakesError",
    "PlanView",
    "Project",
    "SecretState",
    "Sources",
    "apply",
    "checks",
    "compiled",
    "find_project",
    "installed",
    "is_pooled",
    "one_pipeline",
    "open_retry",
    "open_run",
    "plan",
    "plan_files",
    "read_plan",
    "request_cancel",
    "request_decision",
    "retry",
    "save_plan",
    "secret_sources",
    "secret_states",
    "secrets_in",
    "trigger",
]

_PLACES = {
    "tidemill.app.acting": ("is_pooled", "request_cancel", "request_decision"),
    "tidemill.app.applying": (
        "Applied",
        "Sources",
        "apply",
        "plan_files",
        "retry",
        "trigger",
    ),
    "tidemill.app.doctor": ("Check", "checks"),
    "tidemill.app.history": ("History",),
    "tidemill.app.installed": ("Installed", "installed"),
    "tidemill.app.local": ("LocalRun",),
    "tidemill.app.plan_file": ("read_plan", "save_plan"),
    "tidemill.app.planning": ("FilePlan",),
    "tidemill.app.requests": ("MistakesError", "compiled", "one_pipeline"),
    "tidemill.app.runs": ("PlanView", "open_retry", "open_run", "plan"),
    "tidemill.app.secrets": ("SecretState", "secret_sources", "secret_states", "secrets_in"),
    "tidemill.engine.approvals": ("Answer",),
    "tidemill.project": ("Project", "find_project"),
}
_PLACE = {name: place for place, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _PLACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(_PLACE[name]), name)
    return found
