"""The hooks a plugin may implement (pluggy, project name `tidemill`)."""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from tidemill.spi.executor import ExecutorType

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
