"""A small disk: a tmpfs in the place of a folder, which only root may mount."""

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

MIB = 1024 * 1024  # bytes


class Disk:
    """A small disk, and a file on it that takes what room there is."""

    def __init__(self, path: Path) -> None:
        self._filler = path / "filler"

    def fill(self) -> None:
        """To the last MiB."""
        with self._filler.open("wb") as file, suppress(OSError):
            while True:
                os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), MIB)

    def leave(self, room: int) -> None:
        """Just that many bytes."""
        with self._filler.open("wb") as file:
            free = os.statvfs(self._filler.parent)
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - room)

    def free(self) -> None:
        self._filler.unlink()


@contextmanager
def small_disk(path: Path) -> Generator[Disk]:
    """In place of the folder `path`, with what is in it."""
    kept = path.rename(path.with_suffix(".kept"))
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", path]
    mounted = subprocess.run(mount, check=False, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no small disk: {mounted.stderr.strip()}")
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", path], check=True)
        yield Disk(path)
    finally:
        subprocess.run(["umount", path], check=True)
