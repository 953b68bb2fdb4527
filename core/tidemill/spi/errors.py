"""The errors that cross the border between Tidemill and a plugin."""

from __future__ import annotations


class SpiError(Exception):
    """The contract between Tidemill and a plugin was broken; the text says how."""


class StartError(Exception):
    """`Executor.start` could not start the step; nothing of it runs.

    The text is shown to the person who wrote the pipeline: what happened, where, what
    to do."""
