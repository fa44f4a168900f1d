"""Emmett's projector over a log of its own: a row an event, in the batches that it pulls."""

import msgspec

from bench.child import given
from bench.peers.emmett import become


class NodeProjects(msgspec.Struct, frozen=True):
    """`events`: appended first, so that its consumer has no writer beside it."""

    url: str
    events: int
    seconds: float


if __name__ == "__main__":
    become("project.mjs", given(NodeProjects))  # `per_s`: events a second
