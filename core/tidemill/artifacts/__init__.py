"""Artifact stores: adapters of `tidemill.ports.ArtifactStore`."""
