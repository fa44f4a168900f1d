"""A contestant's process: one JSON object of arguments in, one JSON line, its Sample, out last."""

import sys
from typing import TypeVar

import msgspec

from infra.collector import relax_collector
from infra.log import configure_logging
from infra.settings import Settings

A = TypeVar("A", bound=msgspec.Struct)


class Sample(msgspec.Struct, frozen=True):
    """What one round of one contestant measured."""

    values: dict[str, float]  # by metric
    errors: int = 0
    error: str = ""  # the first of them


def given(arguments: type[A]) -> A:
    """The arguments that the harness started this process with; what it logs goes to stderr."""
    configure_logging(Settings(log_level="warning"))
    relax_collector()  # as Formula's processes do; the peers gain by it as well
    return msgspec.json.decode(sys.argv[1], type=arguments)


def ready() -> None:
    """Set up; begin when the contestant's other processes are, or at once where it has none."""
    print("ready", flush=True)
    sys.stdin.readline()


def answer(sample: Sample) -> None:
    print(msgspec.json.encode(sample).decode(), flush=True)
