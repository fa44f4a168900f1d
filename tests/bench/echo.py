"""A contestant for tests: answers what it is told to, or dies."""

import sys
from pathlib import Path

import msgspec

from bench.child import Sample, answer, given, ready


class Echo(msgspec.Struct, frozen=True):
    """Leaves its name in `book`, and once all are ready its small letters; answers `per_s`.

    Without a figure it ends before it is ready, with `last_words`.
    """

    name: str
    book: str
    per_s: float | None
    last_words: str = ""


def run(echo: Echo) -> Sample:
    _note(echo, echo.name)
    if echo.per_s is None:
        sys.exit(echo.last_words)
    ready()
    _note(echo, echo.name.lower())
    return Sample({"per_s": echo.per_s})


def _note(echo: Echo, text: str) -> None:
    with Path(echo.book).open("a") as book:
        book.write(text)


if __name__ == "__main__":
    answer(run(given(Echo)))
