"""Kills an S3 server just before it is asked something for the nth time."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from bench.seaweed import Seaweed
from infra.blobs.s3 import S3

PROBE = "head_bucket"  # asked beside the work, whenever its time has come


class Killing:
    def __init__(self, server: Seaweed, step: int) -> None:
        self._server, self._left = server, step

    @property
    def done(self) -> bool:
        """There was such a step."""
        return self._left < 0

    def before(self) -> None:
        if self._left == 0:
            self._server.kill()
        self._left -= 1


@contextmanager
def killed_before(server: Seaweed, step: int) -> Generator[Killing]:
    """From this process alone; the server is there again on leaving."""
    killing, ask = Killing(server, step), S3.ask

    async def asked(s3: S3, what: str, by: Any = None, **arguments: Any) -> Any:
        if what != PROBE:
            killing.before()
        return await ask(s3, what, by, **arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(S3, "ask", asked)
        yield killing
    if killing.done:
        server.start()
