"""The library's mapper over Formula's codec: no database, the stored bytes as they are."""

from dataclasses import asdict, dataclass
from uuid import UUID

import pytest
from eventsourcing.persistence import InfrastructureFactory, Mapper, Notification, StoredEvent
from eventsourcing.utils import resolve_topic

from domain.registry import EVENTS
from domain.upcasts import UPCASTS
from infra.eventstore.codec import UnknownTag, decode
from infra.eventstore.mapper import DomainEvent, FormulaMapper
from tests.golden.generate import FOLDER, sample

STREAM = UUID(int=1)
NAMED = {"MAPPER_TOPIC": "infra.eventstore.mapper:FormulaMapper"}


def made(**environment: str) -> FormulaMapper:
    """The mapper as the library makes it from its environment."""
    factory: InfrastructureFactory = InfrastructureFactory.construct(NAMED | environment)
    mapper: Mapper[UUID] = factory.mapper()
    assert isinstance(mapper, FormulaMapper)
    return mapper


@pytest.mark.parametrize("tag", sorted(EVENTS))
def test_an_event_goes_there_and_back(tag: str) -> None:
    event = DomainEvent(sample(EVENTS[tag]), STREAM, 7)
    stored = made().to_stored_event(event)
    assert (stored.topic, stored.originator_id, stored.originator_version) == (tag, STREAM, 7)
    assert made().to_domain_event(stored) == event


@pytest.mark.parametrize("tag", sorted(UPCASTS))
def test_a_retired_event_reads_as_the_codec_reads_it(tag: str) -> None:
    state = (FOLDER / f"{tag}.json").read_bytes()
    mapped = made().to_domain_event(StoredEvent(STREAM, 1, tag, state))
    assert mapped == DomainEvent(decode(tag, state), STREAM, 1)


def test_what_is_read_from_the_log_knows_its_position() -> None:
    stored = made().to_stored_event(DomainEvent(sample(EVENTS["task.created.v1"]), STREAM, 1))
    notified = Notification(**asdict(stored), id=42)
    assert made().to_domain_event(notified).position == 42


@pytest.mark.parametrize("tag", sorted(EVENTS))
def test_a_tag_is_a_topic_of_the_library(tag: str) -> None:
    assert resolve_topic(tag) is EVENTS[tag]


def test_an_event_of_a_newer_version_is_refused_by_name() -> None:
    with pytest.raises(UnknownTag, match=r"newer\.thing\.v1"):
        made().to_domain_event(StoredEvent(STREAM, 1, "newer.thing.v1", b"{}"))


@dataclass
class Foreign:
    originator_id: UUID = STREAM
    originator_version: int = 1


def test_only_events_of_formula_are_stored() -> None:
    with pytest.raises(TypeError, match="wrap it in a DomainEvent: Foreign"):
        made().to_stored_event(Foreign())


@pytest.mark.parametrize(
    "environment",
    [{"COMPRESSOR_TOPIC": "zlib"}, {"CIPHER_KEY": "key", "CIPHER_TOPIC": "builtins:dict"}],
    ids=["compressor", "cipher"],
)
def test_states_that_formula_could_not_read_are_refused(environment: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="unset COMPRESSOR_TOPIC"):
        made(**environment)
