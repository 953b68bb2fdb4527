"""The errors that cross the border between Tidemill and a plugin."""

from __future__ import annotations


class SpiError(Exception):
    """The contract between Tidemill and a plugin was broken; the text says how."""


class StartError(Exception):
    """`Executor.start` could not start the step; nothing of it runs.

    The text is shown to the person who wrote the pipeline: what happened, where, what
    to do."""


class NotifyError(Exception):
    """`Notifier.send` could not deliver. The text is kept and shown to people: what
    happened, where, what to do; never the value of a secret.

    `permanent` is set where the same notice would fail again whatever happens meanwhile
    (an address that does not exist, a refused password). `retry_after` is how many
    seconds the receiver asks to be left alone, if it does."""

    def __init__(
        self, message: str, *, permanent: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after


class SecretError(Exception):
    """`SecretProvider.get` cannot tell whether it has a secret, or has one and cannot read
    it (a file that cannot be decrypted). The text is shown to people: what happened,
    where, what to do; never the value of a secret."""


class ArtifactError(Exception):
    """An `ArtifactStore` cannot be reached or used. The text is shown to people: what
    happened, where, what to do."""


class ArtifactNotFoundError(ArtifactError):
    """There is nothing under this key."""
