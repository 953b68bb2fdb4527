"""The local executor: a step as a process tree on this machine."""
