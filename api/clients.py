"""/clients: the companies and people that projects are done for."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, Router, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.status_codes import HTTP_200_OK
from msgspec import UNSET, Meta, UnsetType

from api.call import Call, Done, done
from api.paging import Cursor, Limit, Page, from_cursor, page
from api.reads import shown
from domain.access import Action
from domain.client import (
    CLIENT,
    ArchiveClient,
    ChangeClient,
    ClientStatus,
    Contact,
    CreateClient,
    RestoreClient,
)
from domain.kernel import Command
from infra.db import Connection
from projections.clients import ClientRow, get_client, list_clients
from projections.rows import Source

Name = Annotated[str, Meta(max_length=500, examples=["Northwind Traders"])]
Contacts = Annotated[list[Contact], Meta(max_length=200)]


class NewClient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    contacts: Contacts = []


class ClientChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Name | UnsetType = UNSET
    contacts: Contacts | UnsetType = UNSET


@get("/", opt={"action": Action.CLIENT_READ})
async def list_all(
    lists: NamedDependency[Source],
    status: FromQuery[ClientStatus | None] = None,
    search: FromQuery[str | None] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ClientRow]:
    """By name. `search`: the beginnings of words in names."""
    after = from_cursor(cursor, tuple[str, UUID])
    rows = await list_clients(lists, status=status, search=search, after=after, limit=limit + 1)
    return page(rows, limit, lambda row: (row.name, row.id))


@get("/{client:uuid}", opt={"action": Action.CLIENT_READ})
async def get_one(client: FromPath[UUID], db: NamedDependency[Connection]) -> Response[ClientRow]:
    return shown(await get_client(db, client), "client.not_found")


@post("/", opt={"action": Action.CLIENT_WRITE})
async def create(data: JSONBody[NewClient], call: NamedDependency[Call]) -> Response[Done]:
    client = call.new_id("client")
    command = CreateClient(name=data.name, contacts=tuple(data.contacts), at=call.runtime.now())
    return done(await call.execute(CLIENT, client, command), client, created=True)


@patch("/{client:uuid}", opt={"action": Action.CLIENT_WRITE})
async def change(
    client: FromPath[UUID], data: JSONBody[ClientChanges], call: NamedDependency[Call]
) -> Response[Done]:
    contacts = data.contacts if data.contacts is UNSET else tuple(data.contacts)
    return await _do(call, client, ChangeClient(name=data.name, contacts=contacts))


@post("/{client:uuid}/archive", status_code=HTTP_200_OK, opt={"action": Action.CLIENT_WRITE})
async def archive(client: FromPath[UUID], call: NamedDependency[Call]) -> Response[Done]:
    return await _do(call, client, ArchiveClient())


@post("/{client:uuid}/restore", status_code=HTTP_200_OK, opt={"action": Action.CLIENT_WRITE})
async def restore(client: FromPath[UUID], call: NamedDependency[Call]) -> Response[Done]:
    return await _do(call, client, RestoreClient())


async def _do(call: Call, client: UUID, command: Command) -> Response[Done]:
    return done(await call.execute(CLIENT, client, command), client)


clients = Router(
    "/clients",
    route_handlers=[list_all, get_one, create, change, archive, restore],
    tags=["clients"],
)
