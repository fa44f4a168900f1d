"""Whoever asks Litestar alone as much as Formula is asked."""

import sys
from contextlib import ExitStack

import msgspec
import uvloop

from bench.child import Sample, answer, given
from bench.load.loops import Window
from bench.load.metadata import asked
from bench.load.served import started, unlimited, until_answering
from bench.peers.litestar_app import PATH
from infra.folder import free_port
from infra.settings import Settings, child_environment


class Alone(msgspec.Struct, frozen=True):
    callers: int
    window: Window


def run(load: Alone) -> Sample:
    """`per_s`: answers a second."""
    port = free_port()
    with ExitStack() as stack:
        env = child_environment(unlimited(Settings(), port))
        started(stack, (sys.executable, "-m", "bench.peers.litestar_app"), env)
        until_answering(port)
        return uvloop.run(asked(port, PATH, {}, load.callers, load.window))


if __name__ == "__main__":
    answer(run(given(Alone)))
