"""A runtime whose clock shows what a test wants: no hour or day ends while one runs."""

from collections.abc import Callable
from datetime import datetime

import msgspec

from infra.runtime import Clock, Runtime


class Shown(Clock):
    def __init__(self, show: Callable[[], datetime]) -> None:
        super().__init__()
        self._show = show

    def now(self) -> datetime:
        return self._show()


def showing(runtime: Runtime, show: Callable[[], datetime]) -> Runtime:
    return msgspec.structs.replace(runtime, clock=Shown(show))
