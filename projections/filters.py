"""Parts of list queries: the filters that are given and no others, and words to search for."""

from collections.abc import Mapping
from typing import LiteralString

MAX_WORDS = 10  # of one search
PUNCTUATION = str.maketrans(dict.fromkeys("@.-_+/", " "))


def given(filters: Mapping[str, LiteralString], values: Mapping[str, object]) -> LiteralString:
    """The conditions of those filters that have a value.

    One that is not asked for is not in the statement: `x IS NULL OR …` costs an estimate, and
    with it the index that serves the others.
    """
    text: LiteralString = ""
    for name, condition in filters.items():
        if values[name] is not None:
            text += f" AND {condition}"
    return text


def prefixes(text: str | None) -> str | None:
    """A tsquery for what has, for each of the words, a word that begins with it.

    Addresses are taken apart, in the query here as in the tables' indexes.
    """
    if text is None:
        return None
    words = text.translate(PUNCTUATION).replace("\\", " ").replace("'", " ").split()
    return " & ".join(f"'{word}':*" for word in words[:MAX_WORDS])
