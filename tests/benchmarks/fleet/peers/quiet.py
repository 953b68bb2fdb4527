"""A configuration of logging that says errors alone: Arq's own writes two lines a job."""

from __future__ import annotations

LOG = {"version": 1, "loggers": {"arq": {"level": "ERROR"}}}
