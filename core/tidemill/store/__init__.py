"""The store: everything that is SQL, and nothing else."""
