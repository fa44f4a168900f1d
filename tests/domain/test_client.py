from datetime import UTC, datetime

import pytest

from domain.client import (
    CLIENT,
    MAX_CONTACTS,
    ArchiveClient,
    ChangeClient,
    Client,
    ClientArchived,
    ClientChanged,
    ClientCommand,
    ClientCreated,
    ClientRestored,
    ClientStatus,
    Contact,
    CreateClient,
    RestoreClient,
)
from domain.kernel import fold
from tests.dsl import check, refused

NOW = datetime(2030, 1, 1, tzinfo=UTC)
EVE = Contact("Eve", "eve@acme.io", "+1 555")
ACME = ClientCreated(name="Acme", contacts=(EVE,), at=NOW)


def test_a_client_is_created_with_trimmed_texts() -> None:
    contacts = (Contact(" Eve", "eve@acme.io ", " +1 555 "),)
    command = CreateClient(name=" Acme ", contacts=contacts, at=NOW)
    check(CLIENT, given=[], when=command, then=[ACME])


def test_a_client_is_not_created_twice() -> None:
    command = CreateClient(name="Acme", at=NOW)
    check(CLIENT, given=[ACME], when=command, then=refused("client.exists"))


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (CreateClient(name=" ", at=NOW), "client.bad_name"),
        (CreateClient(name="A", contacts=(Contact(""),), at=NOW), "client.bad_contact"),
        (CreateClient(name="A", contacts=(Contact("E", "x" * 255),), at=NOW), "client.bad_contact"),
        (
            CreateClient(name="A", contacts=(EVE,) * (MAX_CONTACTS + 1), at=NOW),
            "client.too_many_contacts",
        ),
    ],
)
def test_texts_and_contacts_of_a_client_are_bounded(command: CreateClient, code: str) -> None:
    check(CLIENT, given=[], when=command, then=refused(code))


@pytest.mark.parametrize("command", [ChangeClient(name="B"), ArchiveClient(), RestoreClient()])
def test_what_was_not_created_cannot_be_changed(command: ClientCommand) -> None:
    check(CLIENT, given=[], when=command, then=refused("client.not_found"))


def test_only_what_differs_is_changed() -> None:
    check(
        CLIENT,
        given=[ACME],
        when=ChangeClient(name="Ace", contacts=(EVE,)),
        then=[ClientChanged(name="Ace")],
    )
    check(
        CLIENT,
        given=[ACME],
        when=ChangeClient(contacts=()),
        then=[ClientChanged(contacts=())],
    )
    check(CLIENT, given=[ACME], when=ChangeClient(name="Acme"), then=[])


def test_an_archived_client_is_left_as_it_is() -> None:
    given = [ACME, ClientArchived()]
    check(CLIENT, given=given, when=ChangeClient(name="B"), then=refused("client.archived"))


def test_a_client_is_archived_and_restored_once() -> None:
    check(CLIENT, given=[ACME], when=ArchiveClient(), then=[ClientArchived()])
    check(CLIENT, given=[ACME], when=RestoreClient(), then=[])
    check(CLIENT, given=[ACME, ClientArchived()], when=ArchiveClient(), then=[])
    check(CLIENT, given=[ACME, ClientArchived()], when=RestoreClient(), then=[ClientRestored()])


def test_the_state_is_what_the_events_say() -> None:
    changes = [ClientChanged(name="Ace"), ClientChanged(contacts=()), ClientArchived()]
    assert fold(CLIENT, [ACME, *changes]) == Client("Ace", (), ClientStatus.ARCHIVED)
    restored = fold(CLIENT, [ACME, ClientArchived(), ClientRestored()])
    assert restored == Client("Acme", (EVE,), ClientStatus.ACTIVE)
