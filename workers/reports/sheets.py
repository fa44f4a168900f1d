"""Rows as CSV, as they come: memory does not grow with them."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import TypeAlias

import msgspec

MARK = "\ufeff"  # by which a spreadsheet sees that it is UTF-8
# What a spreadsheet would take for a formula, and run.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

Row: TypeAlias = Sequence[object]


async def sheet(
    columns: Sequence[str], pages: AsyncIterator[Sequence[Row]]
) -> AsyncIterator[bytes]:
    """As RFC 4180 has it, with the columns' names first."""
    yield (MARK + _lines([columns])).encode()
    async for page in pages:
        yield (await asyncio.to_thread(_lines, page)).encode()


def _lines(rows: Sequence[Row]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def cell(value: object) -> str:
    """As a person would write it; no text is a formula."""
    match value:
        case None:
            return ""
        case bool() | dict() | list():
            return msgspec.json.encode(value).decode()
        case int() | float():
            return str(value)
        case datetime() | date():
            return value.isoformat()
        case _:
            text = str(value)
            return f"'{text}" if text.startswith(FORMULA) else text
