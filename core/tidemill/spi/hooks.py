"""The hooks a plugin may implement (pluggy, project name `tidemill`)."""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from tidemill.spi.executor import ExecutorType
from tidemill.spi.notifier import NotifierType

PROJECT = "tidemill"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


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
