"""A module a command, each with a `command`: it parses, calls `tidemill.app`, prints."""
