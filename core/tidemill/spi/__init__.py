"""The one interface between Tidemill and its plugins.

A plugin imports this package and nothing else of Tidemill. `VERSION` is raised by every
breaking change of it.
"""

from tidelang.schema import Template
from tidemill.spi.clock import boot_time
from tidemill.spi.errors import SpiError, StartError
from tidemill.spi.executor import Executor, ExecutorContext, ExecutorType, Handle, StepIO
from tidemill.spi.hooks import PROJECT, Hooks, hookimpl
from tidemill.spi.notifier import Notifier, NotifierType
from tidemill.spi.work import (
    INPUTS,
    ArgvAction,
    InputFile,
    Outcome,
    OutputFile,
    Reason,
    SavedFile,
    ScriptAction,
    Usage,
    Work,
    bad_output,
    cancelled,
    exited,
    failed_to_start,
    killed,
    lost,
    timed_out,
)

VERSION = 1

__all__ = [
    "INPUTS",
    "PROJECT",
    "VERSION",
    "ArgvAction",
    "Executor",
    "ExecutorContext",
    "ExecutorType",
    "Handle",
    "Hooks",
    "InputFile",
    "Notifier",
    "NotifierType",
    "Outcome",
    "OutputFile",
    "Reason",
    "SavedFile",
    "ScriptAction",
    "SpiError",
    "StartError",
    "StepIO",
    "Template",
    "Usage",
    "Work",
    "bad_output",
    "boot_time",
    "cancelled",
    "exited",
    "failed_to_start",
    "hookimpl",
    "killed",
    "lost",
    "timed_out",
]
