"""The connection breaks at each part of an upload: nothing stays of it, and it is sent again."""

import os
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256

import pytest
from structlog.testing import capture_logs

from infra.inspecting.recognising import HEAD
from infra.runtime import Runtime
from tests.faults.sending import Request, left, once, uploading
from tests.integration.reading import asking
from tests.integration.tus import Tus

pytestmark = [pytest.mark.services, pytest.mark.faults]

MIB = 1 << 20
SIZE = 3 * MIB + 17
TEXT = b"what was brought in vain is brought again\n"


def points(size: int) -> dict[str, int]:
    """Bytes of the content that come."""
    at_each = {f"at {n} MiB": n * MIB for n in range(1, size // MIB + 1)}
    return {
        "before it": 0,
        "its first byte": 1,
        "where it is recognised": HEAD // 2,
        "behind that": HEAD + 1,
        **at_each,
        "but for the last byte": size - 1,
    }


def cuts(request: Request) -> Iterator[tuple[str, int]]:
    """Bytes of the whole that come."""
    yield "in the headers", request.wire.index(b"Host") + 2
    yield "before the body", request.wire.index(b"\r\n\r\n") + 4
    for name, at in points(SIZE).items():
        yield name, request.before + at
    if len(request.wire) > request.before + SIZE:
        yield "before what follows it", request.before + SIZE
        yield "in what follows it", len(request.wire) - 1


def whole() -> bytes:
    return (os.urandom(16).hex().encode() + TEXT * (SIZE // len(TEXT) + 1))[:SIZE]


@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
@pytest.mark.parametrize("kind", ["raw", "chunked", "form"])
async def test_what_breaks_off_leaves_nothing_and_is_sent_again(
    kind: str, reset: bool, projected: Runtime
) -> None:
    async with uploading(projected.settings) as ann:
        bytes_of = whole()
        request: Request = getattr(ann, kind)(bytes_of, "again")
        acknowledged = await ann.send(ann.raw(TEXT, "before").wire)
        with capture_logs() as logs:
            for name, at in cuts(request):
                before = await left(ann.runtime)
                await ann.cut(request.wire[:at], reset=reset)
                assert await left(ann.runtime) == before, name
        assert [one for one in logs if one["log_level"] == "error"] == []
        sent = await ann.send(request.wire)
        assert sent.status == 201, sent.body
        assert await ann.versions(sent.id) == [sha256(bytes_of).hexdigest()]
        assert await ann.versions(acknowledged.id) == [sha256(TEXT).hexdigest()]


@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
@pytest.mark.parametrize("kind", ["raw", "chunked", "form"])
async def test_who_goes_before_the_answer_finds_it_once(
    kind: str, reset: bool, projected: Runtime
) -> None:
    async with uploading(projected.settings) as ann:
        bytes_of = whole()
        request: Request = getattr(ann, kind)(bytes_of, "again")
        await ann.cut(request.wire, reset=reset)
        first, second = await ann.send(request.wire), await ann.send(request.wire)
        assert (first.status, second.body) == (201, first.body)
        assert await ann.versions(first.id) == [sha256(bytes_of).hexdigest()]
        there = await left(ann.runtime)
        assert (len(there.blobs), there.coming) == (1, 0)


@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
async def test_of_a_part_that_breaks_off_stays_what_the_offset_says(
    reset: bool, projected: Runtime
) -> None:
    async with uploading(projected.settings) as ann, asking(ann.url) as client:
        tus, bytes_of = Tus(client, ann.token), whole()
        path = await tus.begin(str(ann.project), SIZE)
        offset = 0
        for name, at in points(SIZE).items():
            head = tus.head(path, SIZE - offset, offset)
            for wire in (head[:40], head[:-1], head + bytes_of[offset:at]):
                await ann.cut(wire, reset=reset)
            known, offset = offset, await tus.offset(path)
            assert known <= offset <= max(known, at), name
            there = await left(ann.runtime)
            assert there.coming == SIZE, name
        assert offset > 0, "something stayed of each"
        assert (await tus.add(path, offset, bytes_of[offset:])).status_code == 204
        await once(ann, path, bytes_of)


@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
async def test_of_a_part_that_is_to_be_checked_nothing_stays(
    reset: bool, projected: Runtime
) -> None:
    async with uploading(projected.settings) as ann, asking(ann.url) as client:
        tus, bytes_of = Tus(client, ann.token), whole()
        path = await tus.begin(str(ann.project), SIZE)
        sum_of = f"sha256 {b64encode(sha256(bytes_of).digest()).decode()}"
        before = await left(ann.runtime)
        for name, at in points(SIZE).items():
            wire = tus.head(path, SIZE, upload_checksum=sum_of) + bytes_of[:at]
            await ann.cut(wire, reset=reset)
            assert (await tus.offset(path), await left(ann.runtime)) == (0, before), name
        last = await tus.add(path, 0, bytes_of, upload_checksum=sum_of)
        assert last.status_code == 204, last.text
        await once(ann, path, bytes_of)


@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
async def test_who_goes_before_the_last_part_is_answered_goes_on(
    reset: bool, projected: Runtime
) -> None:
    async with uploading(projected.settings) as ann, asking(ann.url) as client:
        tus, bytes_of = Tus(client, ann.token), whole()
        path = await tus.begin(str(ann.project), SIZE)
        await ann.cut(tus.head(path, SIZE) + bytes_of, reset=reset)
        offset = await tus.offset(path)
        if offset < SIZE:
            assert (await tus.add(path, offset, bytes_of[offset:])).status_code == 204
        await once(ann, path, bytes_of)
