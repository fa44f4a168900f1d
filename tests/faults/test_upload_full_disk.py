"""The disk of the files is full: who uploads is told so, nothing stays of it, all else goes on."""

import errno
import os
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from infra.runtime import Runtime
from tests.faults.sending import Ann, Request, left, once, uploading
from tests.faults.small_disk import Disk, small_disk
from tests.integration.conftest import refusal
from tests.integration.reading import asking
from tests.integration.tus import Tus

pytestmark = [pytest.mark.services, pytest.mark.faults]

MIB = 1 << 20
SIZE = 3 * MIB + 17
PAGE = 4_096  # of a tmpfs
FULL = "507 storage.full"


@pytest.fixture
def disk(projected: Runtime) -> Generator[Disk]:
    folder = Path(projected.settings.local_storage_path)
    folder.mkdir()
    with small_disk(folder) as one:
        yield one


@pytest.fixture
async def ann(disk: Disk, projected: Runtime) -> AsyncIterator[Ann]:
    async with uploading(projected.settings) as one:
        yield one


def whole() -> bytes:
    return (os.urandom(16).hex().encode() + b"what there is no room for\n" * SIZE)[:SIZE]


async def refused(ann: Ann, wire: bytes) -> str:
    answer = await ann.send(wire)
    return f"{answer.status} {msgspec.json.decode(answer.body)['code']}"


# From the folder that is not there yet to the last page, which is written at the very end.
@pytest.mark.parametrize("room", [0, PAGE, 3 * PAGE, MIB, 2 * MIB + PAGE, SIZE // PAGE * PAGE])
@pytest.mark.parametrize("kind", ["raw", "form"])
async def test_an_upload_that_finds_no_room_is_told_so_and_leaves_nothing(
    kind: str, room: int, ann: Ann, disk: Disk
) -> None:
    bytes_of = whole()
    request: Request = getattr(ann, kind)(bytes_of, "again")
    acknowledged = await ann.send(ann.raw(b"kept", "before").wire)
    before = await left(ann.runtime)
    disk.leave(room)
    with capture_logs() as logs:
        assert await refused(ann, request.wire) == FULL
    assert [one["event"] for one in logs if one["log_level"] == "error"] == ["storage_full"]
    disk.free()
    assert await left(ann.runtime) == before
    assert await ann.versions(acknowledged.id) == [sha256(b"kept").hexdigest()]
    sent = await ann.send(request.wire)
    assert await ann.versions(sent.id) == [sha256(bytes_of).hexdigest()]


@contextmanager
def failing(name: str, folder: Path, code: int) -> Generator[None]:
    """That call of the system, for files below `folder`."""
    done = getattr(os, name)

    def fails(fd: int) -> None:
        if Path(f"/proc/self/fd/{fd}").readlink().is_relative_to(folder):
            raise OSError(code, os.strerror(code))
        done(fd)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, name, fails)
        yield


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
async def test_a_disk_that_is_full_only_when_it_is_to_be_durable(
    code: int, projected: Runtime
) -> None:
    """As one does that takes what it has no room for, or a share with a quota."""
    async with uploading(projected.settings) as ann:
        request = ann.raw(whole(), "again")
        await ann.send(ann.raw(b"kept", "before").wire)
        before = await left(ann.runtime)
        with failing("fsync", Path(ann.runtime.settings.local_storage_path), code):
            assert await refused(ann, request.wire) == FULL
        assert await left(ann.runtime) == before
        assert (await ann.send(request.wire)).status == 201


async def test_a_part_that_finds_no_room_is_brought_again(ann: Ann, disk: Disk) -> None:
    bytes_of = whole()
    async with asking(ann.url) as client:
        tus = Tus(client, ann.token)
        path = await tus.begin(str(ann.project), SIZE)
        await tus.add(path, 0, bytes_of[:MIB])
        before = await left(ann.runtime)
        disk.leave(MIB // 2)
        answer = await tus.add(path, MIB, bytes_of[MIB:])
        assert refusal(answer) == FULL
        assert answer.headers["Tus-Resumable"] == "1.0.0"
        disk.free()
        assert (await tus.offset(path), await left(ann.runtime)) == (MIB, before)
        assert (await tus.add(path, MIB, bytes_of[MIB:])).status_code == 204
        await once(ann, path, bytes_of)


async def test_parts_that_find_no_room_together_stay_until_there_is(ann: Ann, disk: Disk) -> None:
    bytes_of = whole()
    async with asking(ann.url) as client:
        tus = Tus(client, ann.token)
        path = await tus.begin(str(ann.project), SIZE)
        await tus.add(path, 0, bytes_of[:MIB])
        disk.leave(3 * MIB)
        for offset in (MIB, SIZE):
            assert refusal(await tus.add(path, offset, bytes_of[offset:])) == FULL
        assert len((await left(ann.runtime)).blobs) == 2
        disk.free()
        assert await tus.offset(path) == SIZE
        await once(ann, path, bytes_of)
