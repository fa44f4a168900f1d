"""What an inspection says of a file, and every reason for which one is refused."""

from collections.abc import Iterable
from enum import StrEnum
from mmap import mmap
from typing import NoReturn, TypeAlias

import msgspec

from domain.errors import Invalid

Content: TypeAlias = bytes | mmap


class Code(StrEnum):
    """Public and stable."""

    EMPTY = "file.empty"
    NAME = "file.name_not_allowed"
    TYPE = "file.type_not_allowed"
    DIFFERS = "file.type_differs"  # what it is and what its name says are two things
    DAMAGED = "file.damaged"  # it breaks the rules of its own format
    POLYGLOT = "file.polyglot"  # it is a second thing as well
    BOMB = "file.bomb"  # small here, huge where it is opened
    PIXELS = "file.too_many_pixels"
    PATH = "file.archive_path"  # an entry would be unpacked elsewhere
    NESTED = "file.archive_nested"  # archives in archives, too deep or of a kind not looked into
    EXECUTABLE = "file.executable"
    ENCRYPTED = "file.encrypted"  # nobody can look into it
    MACROS = "file.macros"
    ACTIVE = "file.active_content"  # scripts, actions, embedded files
    EXTERNAL = "file.external_content"  # it would fetch something when opened
    UNINSPECTABLE = "file.uninspectable"  # looking at it crashed, or took too long


class Clean(msgspec.Struct, frozen=True, tag="clean"):
    scanner: str


class Rejected(msgspec.Struct, frozen=True, tag="refused"):
    code: Code
    detail: str = ""


class Infected(msgspec.Struct, frozen=True, tag="infected"):
    signature: str
    scanner: str


Verdict: TypeAlias = Clean | Rejected | Infected


class Malware(Exception):
    """A known signature was found: its name."""


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def refuse(code: Code, why: str) -> NoReturn:
    raise Invalid(code.value, why=why)


def require(true: bool, code: Code, why: str) -> None:
    if not true:
        refuse(code, why)


def within(value: int, most: int, code: Code, why: str) -> None:
    if value > most:
        refuse(code, f"{why}: {value} of at most {most}")


def first_of(content: Content, needles: Iterable[bytes]) -> bytes | None:
    return next((needle for needle in needles if content.find(needle) >= 0), None)
