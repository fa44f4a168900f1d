"""What is appended: realistic commands on random streams whose versions the caller knows."""

import random
from collections.abc import Mapping, Sequence
from uuid import NAMESPACE_OID, UUID, uuid5

from domain.kernel import Metadata
from domain.priority import Priority
from domain.task import TaskChanged
from infra.db import Connection
from infra.runtime import Origin

ORIGIN = Origin(
    actor=UUID("019a8f3c-5b1e-7c42-9d07-3e6f1a2b4c58"),
    ip="203.0.113.71",
    user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    correlation_id=UUID("019a8f41-77d0-7f63-a2c8-5d9e0b1f7a34"),
)
PROJECT = UUID("019a8f3d-0c77-7a19-8e35-b1d2c3f4a569")

VERSIONS = """
SELECT wanted.stream, coalesce(head.version, 0)
FROM unnest(%(streams)s::uuid[]) wanted(stream) LEFT JOIN LATERAL (
    SELECT e.originator_version AS version FROM formula_events e
    WHERE e.originator_id = wanted.stream ORDER BY e.originator_version DESC LIMIT 1
) head ON true
"""


class Streams:
    """Streams and the version each is at; one that somebody works on is not given to others."""

    def __init__(self, versions: Mapping[UUID, int]) -> None:
        self._versions = dict(versions)
        self._free = list(versions)

    def take(self) -> tuple[UUID, int]:
        """A random free stream and its version."""
        free = self._free
        at = int(random.random() * len(free))  # noqa: S311, a load, not a secret
        free[at], free[-1] = free[-1], free[at]
        stream = free.pop()
        return stream, self._versions[stream]

    def give(self, stream: UUID, version: int) -> None:
        """Back to the others, at this version."""
        self._versions[stream] = version
        self._free.append(stream)


def stream_ids(first: int, last: int) -> list[UUID]:
    """The streams of these numbers: the same in every process, spread like random ids."""
    return [uuid5(NAMESPACE_OID, str(number)) for number in range(first, last)]


async def known(connection: Connection, streams: Sequence[UUID]) -> Streams:
    """The streams at the versions that the log has now."""
    cursor = await connection.execute(VERSIONS, {"streams": list(streams)})
    return Streams(dict(await cursor.fetchall()))


def changed(number: int) -> TaskChanged:
    """About 150 bytes as it is stored; another number, another title."""
    return TaskChanged(
        title=f"Review the offer for the north hall, round {number}",
        description="The client wants the price with and without the stage.",
        priority=Priority.HIGH,
    )


def metadata(command_id: UUID) -> Metadata:
    """All that the API notes of a command: about 300 bytes as it is stored."""
    return Metadata(
        actor=ORIGIN.actor,
        command="change_task",
        command_id=command_id,
        correlation_id=ORIGIN.correlation_id,
        project_id=PROJECT,
        ip=ORIGIN.ip,
        user_agent=ORIGIN.user_agent,
    )
