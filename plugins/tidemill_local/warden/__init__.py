"""The helper processes of the local executor: one warden, and keepers that it forks.

This folder is a program of its own. It is started as `python -I -S` and imports nothing
but the few modules of the standard library that it needs, so that it is up within
milliseconds and small enough to be forked once for each step that runs at a time. The
executor's side imports `protocol`, `folders`, `group` and `linux` from here, and nothing else.
"""
