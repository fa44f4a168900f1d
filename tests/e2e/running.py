"""`formula` as people start it: real processes, a folder and a port of their own."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from infra.folder import free_port
from tests.http import answers
from tests.infra.until import wait_until

UP_S, DOWN_S = 90.0, 20.0
COMMAND = (sys.executable, "-c", "from api.cli import main; main()")


class Formula:
    """One data folder and port, and what runs on them."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self.folder, self.port = folder, free_port()
        self._variables = variables
        self.url = f"http://127.0.0.1:{self.port}"
        self._up: psutil.Popen | None = None

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        own = {"FORMULA_DATA": str(self.folder), "PORT": str(self.port)}
        return kept | own | dict(self._variables)

    def call(
        self, *arguments: str, timeout_s: float = UP_S, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [*COMMAND, *arguments],
            env=self.environment | variables,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def up(self, *arguments: str, **variables: str) -> str:
        """Start, and return what it has said once that is that it runs."""
        output = self.folder.with_suffix(".out")
        with output.open("w") as written:
            self._up = psutil.Popen(
                [*COMMAND, "up", *arguments],
                env=self.environment | variables,
                stdout=written,
                stderr=written,
            )
        running = self._up

        def said() -> bool:
            assert running.poll() is None, output.read_text()
            return "Formula is running" in output.read_text()

        wait_until(said, UP_S)
        return output.read_text()

    def processes(self) -> list[psutil.Process]:
        return self._up.children(recursive=True) if self._up is not None else []

    def pid(self, *words: str) -> int | None:
        """The supervisor's child whose command line has these words; None between two lives."""
        assert self._up is not None
        children = [(one.pid, _command(one)) for one in self._up.children()]
        return next((pid for pid, line in children if all(word in line for word in words)), None)

    def is_ready(self) -> bool:
        return answers(f"{self.url}/readyz")

    def down(self, number: signal.Signals = signal.SIGINT) -> int:
        """Stop it; returns the exit code."""
        assert self._up is not None
        self._up.send_signal(number)
        code = self._up.wait(DOWN_S)
        self._up = None
        return code

    def kill(self) -> None:
        """Whatever is left: the kernel ends the children of a supervisor that was killed."""
        if self._up is not None:
            self._up.kill()
            self._up.wait(DOWN_S)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


@contextmanager
def formula(**variables: str) -> Generator[Formula]:
    """A new folder, which everybody may enter: as root, Postgres runs as another user."""
    with tempfile.TemporaryDirectory(prefix="formula-e2e-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        one = Formula(Path(name) / "data", variables)
        try:
            yield one
        finally:
            one.kill()
