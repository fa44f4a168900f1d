"""Files sent all at once, by a process of its own: who measures something else is not disturbed."""

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from bench.load.file_server import FileServer


class Sending(msgspec.Struct, frozen=True):
    server: FileServer
    paths: Sequence[str]


def started(sending: Sending) -> subprocess.Popen[bytes]:
    argv = (sys.executable, "-m", "bench.load.sending", msgspec.json.encode(sending))
    return subprocess.Popen(argv, stdout=subprocess.PIPE)


def ended(process: subprocess.Popen[bytes]) -> list[str]:
    """The files' ids, by the order of the paths."""
    said, _ = process.communicate()
    if process.returncode:
        raise ConnectionError(f"who sends files ended with {process.returncode}")
    return msgspec.json.decode(said, type=list[str])


def main() -> None:
    sending = msgspec.json.decode(sys.argv[1], type=Sending)
    with ThreadPoolExecutor(len(sending.paths)) as threads:
        files = list(threads.map(sending.server.send, map(Path, sending.paths)))
    sys.stdout.buffer.write(msgspec.json.encode(files))


if __name__ == "__main__":
    main()
