"""A contestant for tests: answers what it is told to, or dies."""

import sys
from pathlib import Path

import msgspec

from bench.child import Sample, answer, given


class Echo(msgspec.Struct, frozen=True):
    """Leaves its name in `book`, then answers `per_s`; None: ends with `last_words`."""

    name: str
    book: str
    per_s: float | None
    last_words: str = ""


def run(echo: Echo) -> Sample:
    with Path(echo.book).open("a") as book:
        book.write(echo.name)
    if echo.per_s is None:
        sys.exit(echo.last_words)
    return Sample({"per_s": echo.per_s})


if __name__ == "__main__":
    answer(run(given(Echo)))
