"""The processes of a fault test as the test holds them, and how long it waits for them."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

import tests
from infra.settings import Settings, child_environment
from tests.infra.until import until

ROOT = Path(tests.__file__).parents[1]
LIMIT_S = 60.0
CALLERS = 16


@contextmanager
def child(
    module: str, settings: Settings, written: Path, *arguments: object
) -> Generator[subprocess.Popen[bytes]]:
    """`python -m tests.faults.MODULE`, whose own words go to a file beside `written`."""
    command = [sys.executable, "-m", f"tests.faults.{module}", str(written)]
    with written.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=child_environment(settings),
            cwd=ROOT,
        )
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def serving(module: str, settings: Settings, log: Path) -> Generator[subprocess.Popen[bytes]]:
    """`python -m MODULE` as in production, killed at the end; what it says goes to `log`."""
    with (
        log.open("ab") as written,
        subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            env=child_environment(settings),
            cwd=ROOT,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


async def has_ended(process: subprocess.Popen[bytes], written: Path) -> None:
    """Return once it did; it must have ended well."""
    await until(lambda: process.poll() is not None, LIMIT_S)
    assert process.returncode == 0, words(written)


def words(written: Path) -> str:
    """The last that the child who writes there had to say."""
    return written.with_suffix(".log").read_text()[-4_000:]


class Loader:
    """A running tests.faults.load."""

    def __init__(self, process: subprocess.Popen[bytes], diary: Path) -> None:
        self._process, self._diary = process, diary
        self._answers, self._read = 0, 0

    async def more(self, count: int) -> None:
        """Return once so many more commands were answered."""
        wanted = self._count() + count
        await until(lambda: self._runs() and self._count() >= wanted, LIMIT_S)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    async def end(self) -> None:
        """Let it have its answers."""
        self._process.terminate()
        await has_ended(self._process, self._diary)

    def _runs(self) -> bool:
        assert self._process.poll() is None, words(self._diary)
        return True

    def _count(self) -> int:
        with self._diary.open("rb") as file:
            file.seek(self._read)
            added = file.read()
        self._read += len(added)
        self._answers += added.count(b'"Answered"')
        return self._answers


@contextmanager
def loading(settings: Settings, diary: Path, callers: int = CALLERS) -> Generator[Loader]:
    with child("load", settings, diary, callers) as process:
        yield Loader(process, diary)


def full() -> bool:
    return os.environ.get("FORMULA_FAULTS") == "full"


# Whole systems that come and go for minutes.
LONG = pytest.mark.skipif(not full(), reason="takes minutes: make faults")


def times(count: int) -> int:
    """`count` under `make faults`, a tenth of it otherwise."""
    return count if full() else max(count // 10, 1)
