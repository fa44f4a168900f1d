"""Client: whom projects are for."""

from datetime import datetime
from enum import StrEnum
from typing import TypeAlias, assert_never

import msgspec
from msgspec import UNSET, UnsetType

from domain.errors import Invalid, NotFound, WrongState
from domain.kernel import Command, Decider, Event
from domain.text import checked

MAX_NAME = 200  # characters
MAX_CONTACTS = 50
MAX_CONTACT_FIELD = 254  # characters


class ClientStatus(StrEnum):
    ACTIVE = "active"
    ARCHIVED = "archived"


class Contact(msgspec.Struct, frozen=True):
    name: str
    email: str = ""
    phone: str = ""


class ClientCreated(Event, frozen=True, kw_only=True, tag="client.created.v1"):
    name: str
    contacts: tuple[Contact, ...] = ()
    at: datetime


class ClientChanged(Event, frozen=True, kw_only=True, tag="client.changed.v1"):
    name: str | UnsetType = UNSET
    contacts: tuple[Contact, ...] | UnsetType = UNSET


class ClientArchived(Event, frozen=True, kw_only=True, tag="client.archived.v1"):
    pass


class ClientRestored(Event, frozen=True, kw_only=True, tag="client.restored.v1"):
    pass


class CreateClient(Command, frozen=True, kw_only=True, tag="create_client"):
    name: str
    contacts: tuple[Contact, ...] = ()
    at: datetime


class ChangeClient(Command, frozen=True, kw_only=True, tag="change_client"):
    name: str | UnsetType = UNSET
    contacts: tuple[Contact, ...] | UnsetType = UNSET


class ArchiveClient(Command, frozen=True, kw_only=True, tag="archive_client"):
    pass


class RestoreClient(Command, frozen=True, kw_only=True, tag="restore_client"):
    pass


ClientEvent: TypeAlias = ClientCreated | ClientChanged | ClientArchived | ClientRestored
ClientCommand: TypeAlias = CreateClient | ChangeClient | ArchiveClient | RestoreClient


class Client(msgspec.Struct, frozen=True):
    name: str = ""
    contacts: tuple[Contact, ...] = ()
    status: ClientStatus | None = None  # None: not created


def decide(command: ClientCommand, client: Client) -> list[ClientEvent]:
    if isinstance(command, CreateClient):
        return _create(command, client)
    if client.status is None:
        raise NotFound("client.not_found")
    match command:
        case ChangeClient():
            return _change(command, client)
        case ArchiveClient():
            return [ClientArchived()] if client.status is ClientStatus.ACTIVE else []
        case RestoreClient():
            return [ClientRestored()] if client.status is ClientStatus.ARCHIVED else []
        case _:
            assert_never(command)


def _create(command: CreateClient, client: Client) -> list[ClientEvent]:
    if client.status is not None:
        raise WrongState("client.exists")
    name = checked(command.name, "client.bad_name", MAX_NAME)
    return [ClientCreated(name=name, contacts=_contacts(command.contacts), at=command.at)]


def _change(command: ChangeClient, client: Client) -> list[ClientEvent]:
    if client.status is ClientStatus.ARCHIVED:
        raise WrongState("client.archived")
    name, contacts = command.name, command.contacts
    if name is not UNSET:
        name = checked(name, "client.bad_name", MAX_NAME)
    if contacts is not UNSET:
        contacts = _contacts(contacts)
    changed = ClientChanged(
        name=UNSET if name == client.name else name,
        contacts=UNSET if contacts == client.contacts else contacts,
    )
    return [] if changed == ClientChanged() else [changed]


def _contacts(contacts: tuple[Contact, ...]) -> tuple[Contact, ...]:
    if len(contacts) > MAX_CONTACTS:
        raise Invalid("client.too_many_contacts", most=MAX_CONTACTS)
    return tuple(
        Contact(
            name=checked(contact.name, "client.bad_contact", MAX_CONTACT_FIELD),
            email=checked(contact.email, "client.bad_contact", MAX_CONTACT_FIELD, least=0),
            phone=checked(contact.phone, "client.bad_contact", MAX_CONTACT_FIELD, least=0),
        )
        for contact in contacts
    )


def evolve(client: Client, event: ClientEvent) -> Client:
    match event:
        case ClientCreated(name=name, contacts=contacts):
            return Client(name, contacts, ClientStatus.ACTIVE)
        case ClientChanged(name=name, contacts=contacts):
            return msgspec.structs.replace(
                client,
                name=client.name if name is UNSET else name,
                contacts=client.contacts if contacts is UNSET else contacts,
            )
        case ClientArchived():
            return msgspec.structs.replace(client, status=ClientStatus.ARCHIVED)
        case ClientRestored():
            return msgspec.structs.replace(client, status=ClientStatus.ACTIVE)
        case _:
            assert_never(event)


CLIENT = Decider(
    name="client",
    initial=Client(),
    decide=decide,
    evolve=evolve,
    events=(ClientCreated, ClientChanged, ClientArchived, ClientRestored),
)
