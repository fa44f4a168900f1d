"""Events to bytes and back: the tag is the topic, the payload msgspec's JSON, or that in zlib."""

import zlib
from typing import Any, get_type_hints
from uuid import UUID

import msgspec

from domain.kernel import Event, Metadata
from domain.registry import EVENTS, MOTION_EVENTS
from domain.text import NUL, json_value
from domain.upcasts import UPCASTS, upcast
from infra.eventstore.types import BadAppend

MAX_STATE = 256 * 1024  # bytes of one event's payload, before compression
NEVER = 0  # compress nothing

_LEVEL = 6
_DEFLATED = 0x78  # the first byte of a zlib stream with a 32 KiB window (RFC 1950); JSON's is "{"

_encoder = msgspec.json.Encoder()
_decoders: dict[str, msgspec.json.Decoder[Event]] = {
    tag: msgspec.json.Decoder(event) for tag, event in {**EVENTS, **MOTION_EVENTS}.items()
}
_tags: dict[type[Event], str] = {event: tag for tag, event in {**EVENTS, **MOTION_EVENTS}.items()}
_metadata = msgspec.json.Decoder(Metadata)
# Events with JSON that clients make up: encoding has copied it as it is.
_WITH_RAW = frozenset(
    tag
    for tag, event in {**EVENTS, **MOTION_EVENTS}.items()
    if msgspec.Raw in get_type_hints(event).values()
)


class UnknownTag(Exception):
    """The log holds an event that this version does not know: a newer one wrote it.

    Not poison: the process stops and leaves its lease to one that knows the tag.
    """

    def __init__(self, tag: str) -> None:
        super().__init__(f"unknown event {tag!r}: start the version of formula that wrote it")
        self.tag = tag


class UnknownShape(UnknownTag):
    """The same of an event whose tag is known: it says what only a newer version can."""

    def __init__(self, tag: str, why: str) -> None:
        super().__init__(tag)
        self.args = (f"{tag!r} cannot be read ({why}): start the version of formula that wrote it",)


class TooLarge(Exception):
    """An event's payload is over MAX_STATE: nothing was written."""


class HasNul(Exception):
    """A payload or its metadata has U+0000, which SQL could not show: nothing was written."""


# What decoding may raise for bytes that no Formula wrote.
UNREADABLE = (
    msgspec.MsgspecError,
    UnknownTag,
    zlib.error,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def encode(event: Event, compress_above: int = NEVER) -> tuple[str, bytes]:
    """(topic, state) of an event; a state of more bytes than `compress_above` is compressed.

    Raises UnknownTag for one in no registry, TooLarge, HasNul, BadAppend.
    """
    tag = _tags.get(type(event))
    if tag is None:
        raise UnknownTag(str(event.__struct_config__.tag))
    try:
        state = _encoder.encode(event)
    except UnicodeEncodeError as error:
        raise BadAppend(f"{tag} has text that is no Unicode: {error.reason}") from error
    if len(state) > MAX_STATE:
        raise TooLarge(f"{tag}: {len(state)} bytes, at most {MAX_STATE}")
    if b"\\u0000" in state:
        _refuse_nul(tag, state)
    _check_readable(tag, _decoders[tag], state)
    if tag in _WITH_RAW:
        _check_json(tag, state)
    return tag, compress(state, compress_above) if compress_above else state


def decode(tag: str, state: bytes) -> Event:
    """The event as today's code knows it: old payloads go through their upcasts."""
    if state[0] == _DEFLATED:
        state = inflate(state)
    decoder = _decoders.get(tag)
    if decoder is not None:
        try:
            return decoder.decode(state)
        except msgspec.ValidationError as error:
            raise UnknownShape(tag, str(error)) from None
    if tag not in UPCASTS:
        raise UnknownTag(tag)
    payload = msgspec.json.decode(state, type=dict[str, object])
    payload.pop("tag", None)
    new_tag, payload = upcast(tag, payload)
    return msgspec.convert(payload, _decoders[new_tag].type)


def compress(state: bytes, above: int) -> bytes:
    """`state`, or its zlib stream where it is longer than `above` and that is shorter."""
    if len(state) <= above or above == NEVER:
        return state
    packed = zlib.compress(state, _LEVEL)
    return packed if len(packed) < len(state) else state


def inflate(state: bytes) -> bytes:
    """The JSON of a stored state. Raises ValueError for what no Formula wrote."""
    if state[:1] != b"\x78":
        return state
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(state, MAX_STATE)
    except zlib.error as error:
        raise ValueError(f"a damaged zlib stream: {error}") from error
    if not inflater.eof:
        raise ValueError(f"a zlib stream that is torn, or of more than {MAX_STATE} bytes")
    return plain


def encode_metadata(metadata: Metadata) -> bytes:
    """Raises HasNul, BadAppend."""
    try:
        data = _encoder.encode(metadata)
    except UnicodeEncodeError as error:
        raise BadAppend(f"metadata has text that is no Unicode: {error.reason}") from error
    if b"\\u0000" in data:
        _refuse_nul("metadata", data)
    _check_readable("metadata", _metadata, data)
    return data


def decode_metadata(data: bytes | None) -> Metadata:
    """Rows of a stock recorder have none."""
    return _metadata.decode(data) if data else Metadata()


def motion_metadata(actor: UUID | None, project: UUID | None) -> Metadata:
    return Metadata(actor=actor, project_id=project)


def _refuse_nul(what: str, data: bytes) -> None:
    if NUL.search(data):
        raise HasNul(f"{what} has U+0000, which Postgres cannot show as text")


def _check_readable(what: str, decoder: msgspec.json.Decoder[Any], data: bytes) -> None:
    """msgspec does not look at types in Python, and no reader gets past what it cannot decode."""
    try:
        decoder.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadAppend(f"{what} could not be read again: {error}") from error


def _check_json(tag: str, state: bytes) -> None:
    try:
        json_value(state)
    except ValueError as error:
        raise BadAppend(f"{tag} has what is no JSON, or none that jsonb can keep") from error
