"""Receipt: up to which position somebody has seen a room. It only ever rises.

An event, not motion: motion goes after its retention, and what is unread must outlive a restart;
and not a table of its own beside the log, since who could have known what, and when, is what
auditors ask. What keeps the log small is that nobody's scrolling is stored: gateways append the
newest position of a person and room, at most once in some seconds (api/realtime/receipts.py).
"""

from uuid import UUID, uuid5

import msgspec

from domain.kernel import Command, Decider, Event
from domain.rooms import Room


class ReceiptMoved(Event, frozen=True, kw_only=True, tag="receipt.moved.v1"):
    user: UUID
    room: str
    pos: int


class See(Command, frozen=True, kw_only=True, tag="see"):
    user: UUID
    room: str
    pos: int


class Receipt(msgspec.Struct, frozen=True):
    pos: int = 0


def receipt_stream(user: UUID, room: str) -> UUID:
    return uuid5(user, f"receipt {room}")


def decide(command: See, receipt: Receipt) -> list[ReceiptMoved]:
    room = str(Room.parse(command.room))
    if command.pos <= receipt.pos:
        return []
    return [ReceiptMoved(user=command.user, room=room, pos=command.pos)]


def evolve(_receipt: Receipt, event: ReceiptMoved) -> Receipt:
    return Receipt(event.pos)


RECEIPT = Decider(
    name="receipt", initial=Receipt(), decide=decide, evolve=evolve, events=(ReceiptMoved,)
)
