"""Passwords: argon2id, away from the event loop, a few at a time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from domain.errors import Invalid

T = TypeVar("T")

COMMON = Path(__file__).with_name("common_passwords.txt")  # of LEAST_COMMON characters or more
LEAST_COMMON = 10
LEAST_LETTERS = 4  # different ones
THREADS = 2  # each takes a core and 64 MiB while it runs


class Passwords:
    """Hashes and checks. `PasswordHasher()` has the parameters of RFC 9106's second choice."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")
        self._nobodys = self._hasher.hash("nobody's password")

    async def hash(self, password: str) -> str:
        return await self._in_thread(self._hasher.hash, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Without a stored hash it is as much work, and False: time does not tell who exists."""
        matches = await self._in_thread(self._check, stored or self._nobodys, password)
        return matches and stored is not None

    def outdated(self, stored: str) -> bool:
        """Whether it was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _check(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, function: Callable[..., T], *arguments: str) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)


def check_password(password: str, email: str, name: str) -> None:
    """Raises Invalid for what is guessed first (NIST SP 800-63B, 3.1.1.2)."""
    if _is_common(password.casefold()) or len(set(password)) < LEAST_LETTERS:
        raise Invalid("password.too_common")
    words = (email, email.partition("@")[0], name)
    if (said := _letters(password)) and said in map(_letters, words):
        raise Invalid("password.of_the_account")


def _is_common(password: str) -> bool:
    """Also with digits or signs after it: that is how short ones are made longer."""
    end = len(password)
    while end >= LEAST_COMMON:
        if password[:end] in _common():
            return True
        if password[end - 1].isalpha():
            return False
        end -= 1
    return False


def _letters(text: str) -> str:
    """What is left of "Ada.Lovelace-1815!" is "adalovelace"."""
    return "".join(filter(str.isalpha, text.casefold()))


@cache
def _common() -> frozenset[str]:
    return frozenset(COMMON.read_text().splitlines())
