"""`python -m tidemill.cli`: the command line where its script is not on the path."""

from __future__ import annotations

from tidemill.cli import main

raise SystemExit(main())
