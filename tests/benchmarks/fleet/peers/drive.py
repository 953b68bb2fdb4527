"""The client of a peer: enqueues what it is told to on its standard input, and says when that
is done. It stays, so that neither its imports nor its connection are measured.

    python drive.py celery_app < commands      `enqueue 5000`, `chain 40`
"""

from __future__ import annotations

import importlib
import sys


def main() -> None:
    peer = importlib.import_module(sys.argv[1])
    for line in sys.stdin:
        what, count = line.split()
        {"enqueue": peer.enqueue, "chain": peer.chain}[what](int(count))
        print("done", flush=True)


if __name__ == "__main__":
    main()
