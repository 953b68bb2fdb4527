"""Artifacts: adapters of `tidemill.ports.Artifacts`."""
