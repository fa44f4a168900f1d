"""What each route, frame and job does while a server is away: the README shows it, tests hold it.

python -m tests.outages.table    prints it as the README has it
"""

import sys
from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Away(StrEnum):
    POSTGRES = "Postgres"
    REDIS = "Redis"
    S3 = "S3"
    SMTP = "SMTP"
    PROJECTOR = "projector"


class Row(msgspec.Struct, frozen=True):
    """`well`: the answer while all are there, and while one is that `away` does not name."""

    what: str
    well: str
    away: Mapping[Away, str] = {}
    notes: Mapping[Away, str] = {}  # for readers alone
    tested: bool = True

    def of(self, away: Away | None) -> str:
        return self.away.get(away, self.well) if away else self.well


GONE = {Away.POSTGRES: "503 store.unavailable"}
REFUSED = {Away.POSTGRES: "err store.unavailable"}

TABLE = (
    Row("GET /livez, /startupz", "200"),
    Row(
        "GET /readyz",
        "200",
        {
            Away.POSTGRES: "503 missing postgres",
            Away.REDIS: "200 degraded redis",
            Away.S3: "200 degraded s3",
            Away.SMTP: "200 degraded smtp",
            Away.PROJECTOR: "503 missing projector",
        },
    ),
    Row("GET /metrics (METRICS_TOKEN)", "200", {}, {Away.POSTGRES: "without the queues"}),
    Row("POST /auth/login", "200", GONE),
    Row("a query", "200", GONE, {Away.PROJECTOR: "as things were"}),
    Row(
        "a query with min_position",
        "200",
        {**GONE, Away.PROJECTOR: "503 position.not_reached"},
        {Away.PROJECTOR: "after 5 s"},
    ),
    Row("a command", "201", GONE),
    Row("POST …/files/upload", "201", GONE, {Away.S3: "kept on the local disk"}),
    Row("a file by its link", "200", {Away.S3: "503 file.unavailable"}),
    Row("frame ping", "pong"),
    Row("frame act", "ack", REFUSED),
    Row(
        "frame join",
        "joined",
        REFUSED,
        {Away.POSTGRES: "one under way waits"},
    ),
    Row(
        "what others do in a room",
        "comes",
        {Away.POSTGRES: "waits", Away.PROJECTOR: "waits"},
        {Away.REDIS: "from the log, within 2 s"},
    ),
    Row("a job", "done", {Away.POSTGRES: "waits"}),
    Row("a mail", "sent", {Away.POSTGRES: "waits", Away.SMTP: "tried again"}),
    Row("expiry of locks, schedules", "on time", {Away.POSTGRES: "waits"}, tested=False),
)


def markdown() -> str:
    """The table, with a sign where nothing changes."""
    lines = ["| | all there | " + " | ".join(f"{one} away" for one in Away) + " |"]
    lines.append("|---" * (len(Away) + 2) + "|")
    for row in TABLE:
        cells = [_cell(row, away) for away in Away]
        lines.append(f"| {row.what} | {row.well} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(row: Row, away: Away) -> str:
    said = row.away.get(away, "·" if away not in row.notes else row.well)
    note = row.notes.get(away)
    return f"{said}, {note}" if note else said


if __name__ == "__main__":
    sys.stdout.write(markdown())
