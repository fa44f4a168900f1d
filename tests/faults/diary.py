"""What a client writes down: each command before it is sent, each answer once it came.

An entry is one write to a file, so it survives the SIGKILL of its writer.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

import msgspec


class Part(msgspec.Struct, frozen=True, array_like=True):
    """One stream's part of a command; without events it is a guard."""

    stream: UUID
    expected: int
    events: int


class Asked(msgspec.Struct, frozen=True, tag=True):
    """A command, before it is sent."""

    id: UUID
    parts: tuple[Part, ...]


class Answered(msgspec.Struct, frozen=True, tag=True):
    """The command is durable."""

    id: UUID
    position: int  # of its last event
    version: int  # of its first event's stream, after it


class Refused(msgspec.Struct, frozen=True, tag=True):
    """A stream was at another version: nothing is stored."""

    id: UUID


class Failed(msgspec.Struct, frozen=True, tag=True):
    """An error before an answer, or instead: what became of the command, its id must tell."""

    id: UUID
    error: str


Entry: TypeAlias = Asked | Answered | Refused | Failed


class Diary:
    """One client's file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, entry: Entry) -> None:
        os.write(self._file, msgspec.json.encode(entry) + b"\n")

    def close(self) -> None:
        os.close(self._file)


class Memories(msgspec.Struct, frozen=True):
    """What all the diaries of a test say, by command."""

    asked: dict[UUID, Asked]
    answered: dict[UUID, Answered]
    refused: dict[UUID, Refused]

    def unanswered(self) -> list[Asked]:
        ended = self.answered.keys() | self.refused.keys()
        return [asked for asked in self.asked.values() if asked.id not in ended]


def read_diaries(paths: Iterable[Path]) -> Memories:
    read = Memories({}, {}, {})
    for line in (line for path in paths for line in lines(path)):
        entry: Entry = msgspec.json.decode(line, type=Entry)
        match entry:
            case Asked() as asked:
                read.asked[asked.id] = asked
            case Answered() as answered:
                read.answered[answered.id] = answered
            case Refused() as refused:
                read.refused[refused.id] = refused
            case Failed():
                pass
    return read


def lines(path: Path) -> Iterator[bytes]:
    """Whole lines only: a writer may have been killed within the last one."""
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    return (line for line in whole.split(b"\n") if line)
