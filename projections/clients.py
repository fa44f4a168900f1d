"""clients: for whom projects are done, and whom to call there."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString, assert_never
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from domain.client import (
    CLIENT,
    ClientArchived,
    ClientChanged,
    ClientCreated,
    ClientEvent,
    ClientRestored,
    ClientStatus,
    Contact,
)
from domain.kernel import Recorded
from infra.db import Connection
from projections.filters import given, prefixes
from projections.model import Projection, Rows, Table, Write
from projections.rows import FIRST_NAME, Source, fetch_all, fetch_one, json_text

WORDS: LiteralString = "to_tsvector('simple', translate(name, '@.-_+/', '      '))"
CLIENTS = Table(
    name="clients",
    columns={
        "id": "uuid NOT NULL",
        "name": "text NOT NULL",
        "contacts": "jsonb NOT NULL",
        "status": "text NOT NULL",
        "created_at": "timestamptz NOT NULL",
        "version": "bigint NOT NULL",
        "position": "bigint NOT NULL",
    },
    key=("id",),
    indexes=("(name, id)", "(status, name, id)", f"USING gin ({WORDS})"),
)

SELECT: LiteralString = (
    "SELECT id, name, contacts, status, created_at, version, position FROM clients"
)
FILTERS: dict[str, LiteralString] = {
    "status": "status = %(status)s",
    "search": WORDS + " @@ to_tsquery('simple', %(search)s)",
}


class ClientRow(msgspec.Struct, frozen=True):
    """A client. `contacts` are objects with the fields of domain.client.Contact."""

    id: UUID
    name: str
    contacts: list[dict[str, str]]
    status: str
    created_at: datetime
    version: int
    position: int


def project(batch: Sequence[Recorded[ClientEvent]]) -> list[Write]:
    rows = Rows(CLIENTS)
    for recorded in batch:
        rows.put(
            id=recorded.stream,
            version=recorded.version,
            position=recorded.position,
            **_changes(recorded.event),
        )
    return rows.writes()


def _changes(event: ClientEvent) -> dict[str, object]:
    match event:
        case ClientCreated(name=name, contacts=contacts, at=at):
            return {
                "name": name,
                "contacts": _contacts(contacts),
                "status": ClientStatus.ACTIVE.value,
                "created_at": at,
            }
        case ClientChanged(name=name, contacts=contacts):
            return {"name": name, "contacts": _contacts(contacts)}
        case ClientArchived():
            return {"status": ClientStatus.ARCHIVED.value}
        case ClientRestored():
            return {"status": ClientStatus.ACTIVE.value}
        case _:
            assert_never(event)


def _contacts(contacts: Sequence[Contact] | UnsetType) -> str | UnsetType:
    return UNSET if isinstance(contacts, UnsetType) else json_text(contacts)


async def get_client(db: Connection, client: UUID) -> ClientRow | None:
    return await fetch_one(
        db,
        ClientRow,
        f"{SELECT} WHERE id = %(id)s",
        {"id": client},
    )


async def list_clients(
    db: Connection | Source,
    *,
    status: ClientStatus | None = None,
    search: str | None = None,
    after: tuple[str, UUID] | None = None,
    limit: int = 50,
) -> list[ClientRow]:
    """Clients by (name, id), which is also the key to go on `after`.

    `search`: the beginnings of words in names, whatever their case.
    """
    name, last = after or FIRST_NAME
    values: dict[str, object] = {
        "status": status,
        "search": prefixes(search),
        "name": name,
        "last": last,
        "limit": limit,
    }
    return await fetch_all(
        db,
        ClientRow,
        f"{SELECT} WHERE (name, id) > (%(name)s, %(last)s){given(FILTERS, values)}"
        " ORDER BY name, id LIMIT %(limit)s",
        values,
    )


PROJECTION = Projection(
    name="clients",
    group="queries",
    version=2,
    tables=(CLIENTS,),
    events=CLIENT.events,
    project=project,
)
