"""Tidemill: pipelines as code, on a laptop and on a fleet."""
