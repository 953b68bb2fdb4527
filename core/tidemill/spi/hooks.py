"""The hooks a plugin may implement (pluggy, project name `tidemill`)."""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from tidemill.spi.artifact_store import ArtifactStoreType
from tidemill.spi.executor import ExecutorType
from tidemill.spi.notifier import NotifierType
from tidemill.spi.secret_provider import SecretProviderType

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
