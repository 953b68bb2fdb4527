"""The conformance suite of artifact stores.

    from tidemill.testing import ArtifactStoreConformance

    class TestBucket(ArtifactStoreConformance):
        def store_type(self):
            return tidemill_bucket.STORE

        def address(self, folder):
            return f"bucket://tests/{uuid4()}"

What a process does not finish that is killed is tried in a second Python, which is handed the
store's type: so its factory and settings must be importable by name. `Objects` alone is for
stores that processes do not share.
"""

from tidemill.testing.artifact_store.objects import Objects
from tidemill.testing.artifact_store.processes import Processes


class ArtifactStoreConformance(Objects, Processes):
    """Subclass it as `Test…`, and supply `store_type`, `address` and, where defaults do not
    do, `settings`. Every test asks for an address of its own."""


__all__ = ["ArtifactStoreConformance", "Objects"]
