from uuid import UUID

import pytest

from domain.audit import (
    AUDIT,
    MAX_FILTERS,
    Audit,
    AuditFilter,
    AuditFilterRemoved,
    AuditFilterSaved,
    AuditRead,
    NoteAuditRead,
    RemoveAuditFilter,
    SaveAuditFilter,
    decide,
    filters_stream,
    reads_stream,
)
from domain.errors import WrongState
from tests.dsl import check, refused

ANN, BOB = UUID(int=1), UUID(int=2)
LOCKS = AuditFilter(aggregate="lock", actor=BOB)
SAVED = AuditFilterSaved(name="Bob's locks", filter=LOCKS)


def save(name: str = " Bob's locks ", wanted: AuditFilter = LOCKS) -> SaveAuditFilter:
    return SaveAuditFilter(name=name, filter=wanted)


def test_what_was_read_is_written_down_each_time() -> None:
    read = AuditRead(what="list", filter=LOCKS, count=3)
    note = NoteAuditRead(what="list", filter=LOCKS, count=3)
    check(AUDIT, given=[], when=note, then=[read])
    check(AUDIT, given=[read], when=note, then=[read])


def test_a_filter_is_kept_by_its_name() -> None:
    check(AUDIT, given=[], when=save(), then=[SAVED])
    check(AUDIT, given=[SAVED], when=save(), then=[])
    other = AuditFilter(search="bridge")
    changed = AuditFilterSaved(name="Bob's locks", filter=other)
    check(AUDIT, given=[SAVED], when=save(wanted=other), then=[changed])


def test_a_filter_is_bounded() -> None:
    check(AUDIT, given=[], when=save(name=" "), then=refused("audit.bad_name"))
    long = AuditFilter(search="x" * 201)
    check(AUDIT, given=[], when=save(wanted=long), then=refused("audit.filter_too_long"))


def test_a_reader_keeps_so_many_filters() -> None:
    full = Audit({str(number): LOCKS for number in range(MAX_FILTERS)})
    with pytest.raises(WrongState):
        decide(save(), full)
    assert decide(save(name="0", wanted=AuditFilter()), full) != []


def test_a_filter_is_removed_once() -> None:
    remove = RemoveAuditFilter(name="Bob's locks")
    gone = AuditFilterRemoved(name="Bob's locks")
    check(AUDIT, given=[SAVED], when=remove, then=[gone])
    check(AUDIT, given=[SAVED, gone], when=remove, then=refused("audit.filter_not_found"))


def test_each_reader_has_streams_of_their_own() -> None:
    streams = [stream(who) for stream in (reads_stream, filters_stream) for who in (ANN, BOB, None)]
    assert len(set(streams)) == 6
