"""The hooks a plugin may implement (pluggy, project name `tidemill`)."""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from tidemill.spi.artifact_store import ArtifactStoreType
from tidemill.spi.event import Event
from tidemill.spi.executor import ExecutorType
from tidemill.spi.function import FunctionType
from tidemill.spi.notifier import NotifierType
from tidemill.spi.policy import DispatchTask
from tidemill.spi.secret_provider import SecretProviderType

PROJECT = "tidemill"
"""The name of the project in pluggy, and the group of entry points."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a plugin's function as the implementation of the hook of its name."""


class Hooks:
    """Hook specifications. Each says when it fires, where, and what an exception does."""

    @hookspec
    def tidemill_executors(self) -> Sequence[ExecutorType]:  # type: ignore[empty-body]
        """Offers executors. Called once for each process that needs one, at start.

        An exception marks the plugin as failed, which is said wherever one of its kinds
        is used; other plugins are not affected.
        """

    @hookspec
    def tidemill_notifiers(self) -> Sequence[NotifierType]:  # type: ignore[empty-body]
        """Offers notifiers. Called once for each process that compiles a file with one of
        them, or tells people of events, at start.

        An exception marks the plugin as failed, as for `tidemill_executors`.
        """

    @hookspec
    def tidemill_secrets(self) -> Sequence[SecretProviderType]:  # type: ignore[empty-body]
        """Offers secret providers. Called once for each process that needs a secret: the
        worker, and the scheduler where a notifier has one.

        An exception marks the plugin as failed, as for `tidemill_executors`.
        """

    @hookspec
    def tidemill_artifact_stores(self) -> Sequence[ArtifactStoreType]:  # type: ignore[empty-body]
        """Offers artifact stores, by the schemes of their addresses. Called once for each
        process that keeps or reads artifacts in another place than a folder.

        An exception marks the plugin as failed, as for `tidemill_executors`.
        """

    @hookspec
    def tidemill_functions(self) -> Sequence[FunctionType]:  # type: ignore[empty-body]
        """Offers functions to the Tide language. Called once for each process that compiles
        a file with a function that is none of the language's own, or works out an expression
        with one.

        An exception marks the plugin as failed, as for `tidemill_executors`.
        """

    @hookspec
    def tidemill_event(self, event: Event) -> None:
        """Told of every event that was committed since the plugin was first seen by a
        scheduler: those of one run in the order in which they happened, each at least once.
        `event` is seen again only where the process died, or stood still for half a minute,
        between the call and the storing of how far this plugin has come.

        Called in the scheduler's process (`tidemill scheduler`, `tidemill up`), of all
        schedulers of a database in one at a time, on a thread of the plugin's own, so it may
        block. What `tidemill run` does in a project is told by the next `tidemill up` there.
        It returns nothing.

        An exception is logged, and the same event is told again later, 5 times in all, with
        longer and longer pauses; then it is passed over, which is logged, and counted by
        `tidemill doctor`. Taking longer than 10 seconds counts as an exception; the plugin is
        not called again before it has returned. Other plugins are not affected, and neither
        are runs.
        """

    @hookspec
    def tidemill_before_dispatch(self, task: DispatchTask) -> str | None:
        """Asked about each attempt of a step, just before it is offered to workers. Returns
        None to let it go, or the reason why it must not run: a veto. `task` cannot be
        changed.

        Called in the scheduler's process and in `tidemill run`, inside of a turn, on any
        thread, and perhaps again for the same attempt, where a turn is repeated. Nothing
        else is decided meanwhile, so it must be quick: a call of more than 50 ms is logged.
        Steps that run a pipeline or ask people are not offered; the steps of that pipeline
        are.

        The first veto counts: the step ends as failed with `vetoed by PLUGIN: REASON`, and is
        not tried again. An exception, or a result that is neither None nor a text, counts as
        a veto whose reason is the error.
        """
