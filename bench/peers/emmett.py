"""Emmett's Postgres event store on Node, installed here when a suite asks for it."""

import os
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import msgspec

from bench.child import given
from bench.load.loops import Window
from bench.load.streams import changed, metadata
from bench.peers import npm
from domain.registry import tag_of

FOLDER = Path(__file__).parent / "emmett"


class NodeAppends(msgspec.Struct, frozen=True):
    url: str
    callers: int
    window: Window
    connections: int = 32
    streams: int = 10_000


def install() -> str | None:
    """Why it cannot be played against, None if it can."""
    return npm.install(FOLDER)


def become(script: str, load: msgspec.Struct) -> NoReturn:
    """This process is Node's from here on; it is given the payload and metadata Formula stores."""
    event = changed(0)
    arguments = msgspec.to_builtins(load) | {
        "event": {"type": tag_of(type(event)), "data": msgspec.to_builtins(event)},
        "metadata": msgspec.to_builtins(metadata(uuid4())),
    }
    os.execvp("node", ("node", FOLDER / script, msgspec.json.encode(arguments)))  # noqa: S606


if __name__ == "__main__":
    become("append.mjs", given(NodeAppends))  # `per_s`: events a second
