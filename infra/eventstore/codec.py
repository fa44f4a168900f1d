"""Events to bytes and back: the tag is the topic, the payload is msgspec's JSON."""

from uuid import UUID

import msgspec

from domain.kernel import Event, Metadata
from domain.registry import EVENTS, MOTION_EVENTS
from domain.upcasts import UPCASTS, upcast

MAX_STATE = 256 * 1024  # bytes of one event's payload

_encoder = msgspec.json.Encoder()
_decoders: dict[str, msgspec.json.Decoder[Event]] = {
    tag: msgspec.json.Decoder(event) for tag, event in {**EVENTS, **MOTION_EVENTS}.items()
}
_metadata = msgspec.json.Decoder(Metadata)


class UnknownTag(Exception):
    """The log holds an event that this version does not know: a newer one wrote it.

    Not poison: the process stops and leaves its lease to one that knows the tag.
    """

    def __init__(self, tag: str) -> None:
        super().__init__(f"unknown event {tag!r}: start the version of formula that wrote it")
        self.tag = tag


class TooLarge(Exception):
    """An event's payload is over MAX_STATE: nothing was written."""


def encode(event: Event) -> tuple[str, bytes]:
    """(topic, state) of an event. Raises UnknownTag for one in no registry, TooLarge."""
    tag = str(event.__struct_config__.tag)
    if tag not in _decoders:
        raise UnknownTag(tag)
    state = _encoder.encode(event)
    if len(state) > MAX_STATE:
        raise TooLarge(f"{tag}: {len(state)} bytes, at most {MAX_STATE}")
    return tag, state


def decode(tag: str, state: bytes) -> Event:
    """The event as today's code knows it: old payloads go through their upcasts."""
    decoder = _decoders.get(tag)
    if decoder is not None:
        return decoder.decode(state)
    if tag not in UPCASTS:
        raise UnknownTag(tag)
    payload = msgspec.json.decode(state, type=dict[str, object])
    payload.pop("tag", None)
    new_tag, payload = upcast(tag, payload)
    return msgspec.convert(payload, _decoders[new_tag].type)


def encode_metadata(metadata: Metadata) -> bytes:
    return _encoder.encode(metadata)


def decode_metadata(data: bytes | None) -> Metadata:
    """Rows of a stock recorder have none."""
    return _metadata.decode(data) if data else Metadata()


def motion_metadata(actor: UUID | None, project: UUID | None) -> Metadata:
    return Metadata(actor=actor, project_id=project)
