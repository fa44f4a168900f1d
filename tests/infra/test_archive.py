"""Lines of the log, the files that keep them, and every way in which a file is refused."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from infra.eventstore.archive import (
    FORMAT,
    Archive,
    ArchiveError,
    BadRow,
    Digest,
    Header,
    Row,
    Totals,
    encoded,
    follow,
    packed,
    unpacked,
)
from infra.eventstore.codec import MAX_STATE
from infra.eventstore.files import Format, format_of, open_archive
from infra.eventstore.parquet import GROUP_ROWS, write_parquet

pq: Any = import_module("pyarrow.parquet")  # untyped

AT = datetime(2030, 1, 1, tzinfo=UTC)
STREAM, COMMAND, ANN = UUID(int=1), UUID(int=2), UUID(int=7)
TAG, MOTION_TAG = "activity.recorded.v1", "motion.cursor.v1"
HEADER = Header(FORMAT, "epoch", 1, 9)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
json_objects = st.dictionaries(st.text(max_size=8), json_values).map(msgspec.json.encode)
# What a codec makes, what it makes around JSON of others, and what it does not make at all.
stored = json_objects | json_objects.map(lambda data: data.replace(b":", b" :\n ")) | st.binary()
ids = st.uuids()
instants = st.datetimes(timezones=st.just(UTC))


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    """Some that may follow one another in a log."""
    positions = sorted(draw(st.sets(st.integers(1, 2**63 - 1), max_size=8)))
    return [draw(events(position) | motions(position)) for position in positions]


@st.composite
def events(draw: st.DrawFn, position: int) -> Row:
    version, metadata = draw(st.integers(1, 2**63 - 1)), draw(st.none() | stored.map(packed))
    command = draw(st.none() | ids)
    size = None if command is None else draw(st.integers(1, 2**31 - 1))
    place = (position, draw(instants), draw(ids), version)
    return Row(*place, TAG, packed(draw(stored)), metadata or UNSET, command, size)


@st.composite
def motions(draw: st.DrawFn, position: int) -> Row:
    actor, project = draw(st.none() | ids), draw(st.none() | ids)
    place = (position, draw(instants), draw(ids), 0)
    return Row(*place, MOTION_TAG, packed(draw(stored)), actor=actor, project=project)


def event(position: int = 1, state: bytes = b'{"a":1}', tag: str = TAG) -> Row:
    return Row(position, AT, STREAM, position, tag, packed(state), packed(b"{}"), COMMAND, 1)


def of(some: Sequence[Row]) -> Totals:
    digest = Digest()
    for row in some:
        digest.add((row,), encoded((row,)))
    return digest.totals()


def ndjson(path: Path, lines: bytes, totals: Totals, header: Header = HEADER) -> Path:
    path.write_bytes(json(header) + lines + json(totals))
    return path


def parquet(path: Path, lines: Iterable[bytes], totals: Totals) -> Path:
    with path.open("wb") as file:
        write_parquet(file, HEADER, totals, lines)
    return path


def json(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def read(archive: Archive) -> list[Row]:
    return list(archive.rows(Digest()))


def test_an_event_is_a_line_that_people_can_read() -> None:
    assert encoded((event(),)) == (
        b'{"position":1,"recorded_at":"2030-01-01T00:00:00Z",'
        b'"stream":"00000000-0000-0000-0000-000000000001","version":1,'
        b'"tag":"activity.recorded.v1","state":{"a":1},"metadata":{},'
        b'"command_id":"00000000-0000-0000-0000-000000000002","command_size":1}\n'
    )


@given(stored)
def test_stored_bytes_come_back_as_they_were(data: bytes) -> None:
    assert unpacked(packed(data)) == data


@given(json_objects)
def test_json_stays_readable(data: bytes) -> None:
    assert bytes(packed(data)) == data


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{", b"{} ", b'{"a":\n1}', b'{"a":"\xff"}', b'"text"', b'{"a":1},"b":{"c":2}'],
)
def test_what_could_not_stand_in_a_line_becomes_base64(data: bytes) -> None:
    assert bytes(packed(data)) == b'"' + b64encode(data) + b'"'


@given(rows())
def test_each_line_reads_as_its_row(some: list[Row]) -> None:
    digest = Digest()
    for row in some:
        line = encoded((row,))
        assert line.count(b"\n") == 1
        assert encoded((follow(digest, line),)) == line
    assert digest.totals() == of(some)


@given(rows())
def test_both_formats_keep_the_same_lines(
    tmp_path_factory: pytest.TempPathFactory, some: list[Row]
) -> None:
    folder, totals = tmp_path_factory.mktemp("archive"), of(some)
    lines = [encoded((row,)) for row in some]
    one = open_archive(ndjson(folder / "log.ndjson", b"".join(lines), totals))
    other = open_archive(parquet(folder / "log.parquet", lines, totals))
    assert list(one.lines()) == list(other.lines()) == lines
    assert (one.header, one.totals) == (other.header, other.totals) == (HEADER, totals)
    assert encoded(read(other)) == encoded(read(one)) == b"".join(lines)


def test_row_groups_are_bounded(tmp_path: Path) -> None:
    some = [event(position) for position in range(1, GROUP_ROWS + 2)]
    path = parquet(tmp_path / "log.parquet", [encoded((row,)) for row in some], of(some))
    file = pq.ParquetFile(path)
    sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    file.close()
    assert sizes == [GROUP_ROWS, 1]


def test_large_states_make_small_row_groups(tmp_path: Path) -> None:
    large = b'{"a":"%s"}' % (b"x" * 200_000)
    some = [event(position, large) for position in range(1, 501)]
    path = parquet(tmp_path / "log.parquet", [encoded((row,)) for row in some], of(some))
    assert pq.read_metadata(path).num_row_groups == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.ndjson", Format.NDJSON), ("a.jsonl", Format.NDJSON), ("a.b.parquet", Format.PARQUET)],
)
def test_a_name_says_its_format(name: str, expected: Format) -> None:
    assert format_of(Path(name)) is expected


def test_a_name_that_says_nothing_needs_the_option() -> None:
    with pytest.raises(ArchiveError, match="say which with --format"):
        format_of(Path("log.txt"))


def changed(*left_out: str, **fields: object) -> bytes:
    """The line of a good event, with some fields as no export writes them."""
    good = msgspec.json.decode(encoded((event(),)), type=dict[str, object])
    return json({name: value for name, value in good.items() if name not in left_out} | fields)


BAD_LINES: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"{\n", "truncated"),
    "bad state": (encoded((event(),)).replace(b'{"a":1}', b'{"a":x}'), "malformed"),
    "half a character": (encoded((event(),)).replace(b'"a"', b'"\xff"'), "can't decode byte 0xff"),
    "unknown field": (changed(more=1), "unknown field `more`"),
    "no position": (changed(position=0), ">= 1 - at `\\$.position`"),
    "other case": (changed(stream="ABCDEFAB-0000-0000-0000-000000000001"), "as an export writes"),
    "other spaces": (encoded((event(),)).replace(b",", b", "), "as an export writes"),
    "needless base64": (changed(state=b'{"a":1}'), "as an export writes"),
    "bad base64": (changed(state="?"), "base64"),
    "state of a number": (changed(state=1), "Expected `bytes`"),
    "command without size": (changed("command_size"), "neither an event nor a motion fact"),
    "an actor of its own": (changed(actor=ANN), "neither an event nor a motion fact"),
    "motion with metadata": (
        changed("command_id", "command_size", version=0),
        "with an event's fields",
    ),
    "motion of a command": (changed("metadata", version=0), "with an event's fields"),
    "another tag": (changed(tag="newer.thing.v1"), "unknown event 'newer.thing.v1'"),
    "large state": (encoded((event(state=b"x" * (MAX_STATE + 1)),)), "262145 bytes, at most"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_is_refused_by_its_number(name: str, tmp_path: Path) -> None:
    line, reason = BAD_LINES[name]
    good = encoded((event(),))
    path = ndjson(tmp_path / "log.ndjson", good + line.replace(b'":1,', b'":2,', 1), of([event()]))
    with pytest.raises(ArchiveError, match=rf"log\.ndjson, line 3: .*{reason}"):
        read(open_archive(path))


def test_a_bad_row_of_parquet_is_refused_by_its_number(tmp_path: Path) -> None:
    lines = [encoded((event(1),)), encoded((event(2, tag="newer.thing.v1"),))]
    path = parquet(tmp_path / "log.parquet", lines, of([event()]))
    with pytest.raises(ArchiveError, match=r"log\.parquet, row 2: unknown event"):
        read(open_archive(path))


def test_positions_must_increase() -> None:
    digest = Digest()
    follow(digest, encoded((event(5),)))
    for position in (4, 5):
        with pytest.raises(BadRow, match=f"position {position} does not come after 5"):
            follow(digest, encoded((event(position),)))


ROWS = [event(1), event(2)]
ALTERED: dict[str, Callable[[bytes], bytes]] = {
    "a value": lambda lines: lines.replace(b'{"a":1}', b'{"a":2}', 1),
    "a row less": lambda lines: lines[: lines.index(b"\n") + 1],
    "a row more": lambda lines: lines + encoded((event(3),)),
    "a moment": lambda lines: lines.replace(b"00:00Z", b"00:01Z", 1),
}


@pytest.mark.parametrize("name", ALTERED)
def test_what_the_totals_do_not_say_is_refused(name: str, tmp_path: Path) -> None:
    path = ndjson(tmp_path / "log.ndjson", ALTERED[name](encoded(ROWS)), of(ROWS))
    with pytest.raises(ArchiveError, match=r"log\.ndjson was altered: .* Export the log again"):
        read(open_archive(path))


def test_a_torn_file_is_refused_wherever_it_is_torn(tmp_path: Path) -> None:
    whole = ndjson(tmp_path / "log.ndjson", encoded(ROWS), of(ROWS)).read_bytes()
    torn = tmp_path / "torn.ndjson"
    for size in range(len(whole) - 1):
        torn.write_bytes(whole[:size])
        with pytest.raises(ArchiveError, match=r"is torn|is no export of a log"):
            open_archive(torn)


def test_a_torn_parquet_file_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "log.parquet", [encoded((event(),))], of([event()]))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArchiveError, match=r"torn or altered: .*Export the log again"):
        open_archive(path)


def test_parquet_of_others_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "log.parquet", [encoded((event(),))], of([event()]))
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata(None), path)
    with pytest.raises(ArchiveError, match="its metadata has no totals"):
        open_archive(path)
    pq.write_table(table.drop_columns(["tag"]), path)
    with pytest.raises(ArchiveError, match="its columns are others"):
        open_archive(path)


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    header = msgspec.structs.replace(HEADER, formula_log=FORMAT + 1)
    path = ndjson(tmp_path / "log.ndjson", b"", of([]), header)
    with pytest.raises(ArchiveError, match="has format 2 and this version reads 1"):
        open_archive(path)


def test_parquet_has_types_that_analysts_need(tmp_path: Path) -> None:
    path = parquet(tmp_path / "log.parquet", [encoded((event(),))], of([event()]))
    (row,) = pq.read_table(path).to_pylist()
    assert row["recorded_at"] == AT
    assert row["recorded_at"].utcoffset() == timedelta()
    assert (row["position"], row["stream"], row["state"]) == (1, str(STREAM), '{"a":1}')
