"""The one interface between Tidemill and its plugins.

A plugin imports this package and nothing else of Tidemill. `VERSION` is raised by every
breaking change of it; a plugin's module says which one it was written for
(`TIDEMILL_SPI = 1`), and is refused, in words, by a Tidemill that has another.
"""

from tidelang.schema import Template
from tidemill.spi.artifact_store import (
    ArtifactStore,
    ArtifactStoreType,
    StoreContext,
    StoredObject,
)
from tidemill.spi.clock import boot_time
from tidemill.spi.errors import (
    ArtifactError,
    ArtifactNotFoundError,
    NotifyError,
    SecretError,
    SpiError,
    StartError,
)
from tidemill.spi.event import Event
from tidemill.spi.executor import (
    OUTPUT_KEPT,
    Executor,
    ExecutorContext,
    ExecutorType,
    Handle,
    StepIO,
)
from tidemill.spi.function import FunctionType
from tidemill.spi.hooks import PROJECT, Hooks, hookimpl
from tidemill.spi.notifier import Notice, Notifier, NotifierType
from tidemill.spi.policy import DispatchTask
from tidemill.spi.secret_provider import ProviderContext, SecretProvider, SecretProviderType
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
"""The version of this contract. A plugin's module says which one it was written for:
`TIDEMILL_SPI = 1`."""

__all__ = [
    "INPUTS",
    "OUTPUT_KEPT",
    "PROJECT",
    "VERSION",
    "ArgvAction",
    "ArtifactError",
    "ArtifactNotFoundError",
    "ArtifactStore",
    "ArtifactStoreType",
    "DispatchTask",
    "Event",
    "Executor",
    "ExecutorContext",
    "ExecutorType",
    "FunctionType",
    "Handle",
    "Hooks",
    "InputFile",
    "Notice",
    "Notifier",
    "NotifierType",
    "NotifyError",
    "Outcome",
    "OutputFile",
    "ProviderContext",
    "Reason",
    "SavedFile",
    "ScriptAction",
    "SecretError",
    "SecretProvider",
    "SecretProviderType",
    "SpiError",
    "StartError",
    "StepIO",
    "StoreContext",
    "StoredObject",
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
