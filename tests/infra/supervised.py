"""A program that keeps the embedded servers of a folder running, for the tests that kill it."""

import signal
import sys
from pathlib import Path

from infra.embedded import embedded_servers

if __name__ == "__main__":
    with embedded_servers(Path(sys.argv[1]), durable=False):
        sys.stdout.write("running\n")
        sys.stdout.flush()
        signal.pause()
