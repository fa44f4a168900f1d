"""A clock of a server's own, set by a test: see clock.c."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from struct import pack

SOURCE = Path(__file__).with_name("clock.c")


class Clock:
    """In `folder`, which the server's user must be able to read."""

    def __init__(self, folder: Path) -> None:
        self._file, self._library = folder / "clock", folder / "clock.so"
        self.set(0.0)
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", "-o", self._library, SOURCE, "-ldl"], check=True
        )
        for path in (self._file, self._library):
            path.chmod(0o644 if path is self._file else 0o755)

    @property
    def environment(self) -> Mapping[str, str]:
        return {"LD_PRELOAD": str(self._library), "CLOCK_FILE": str(self._file)}

    def set(self, ahead_s: float) -> None:
        """So many seconds before the true time; it is mapped: written over, never replaced."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(pack("d", ahead_s))
