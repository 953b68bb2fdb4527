import sys

from mdlinks.cli import main

sys.exit(main())
