"""Files that are kept, and links to them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from domain.errors import Invalid, NotAllowed, NotFound
from infra.blobs.door import Blobs, open_blobs
from infra.links import Links, Signed
from infra.settings import Settings
from tests.conftest import STORAGE_KEY

NOW = datetime(2026, 5, 4, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def sealed(folder: Path) -> Settings:
    return Settings(local_storage_path=str(folder / "uploads"), local_storage_key=STORAGE_KEY)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return open_blobs(sealed(tmp_path), lambda: NOW)


async def put(blobs: Blobs, key: str, content: AsyncIterator[bytes] | bytes) -> None:
    await blobs.put(key, content, content_type="text/csv", name="Größe/.csv")


async def read(blobs: Blobs, key: str, *span: int) -> bytes:
    opened = await blobs.open(key, *span)
    return b"".join([chunk async for chunk in opened.content])


async def parts(*given: bytes) -> AsyncIterator[bytes]:
    for part in given:
        yield part


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_what_is_put_is_there_with_its_name_and_type(blobs: Blobs) -> None:
    await put(blobs, "k", parts(b"one ", b"", b"two"))
    opened = await blobs.open("k")
    assert (opened.blob.name, opened.blob.content_type) == ("Größe/.csv", "text/csv")
    assert opened.blob.bytes == 7
    assert b"".join([chunk async for chunk in opened.content]) == b"one two"


async def test_a_part_of_it_can_be_read(blobs: Blobs) -> None:
    await put(blobs, "k", b"0123456789" * 100_000)
    assert await read(blobs, "k", 999_990) == b"0123456789"
    assert await read(blobs, "k", 3, 5) == b"34"
    assert await read(blobs, "k", 999_999, 2_000_000) == b"9"
    assert len(await read(blobs, "k")) == 1_000_000


async def test_the_second_of_a_key_replaces_the_first(blobs: Blobs, tmp_path: Path) -> None:
    await put(blobs, "k", b"first, and longer")
    before = await blobs.open("k")
    await put(blobs, "k", b"second")
    assert b"".join([chunk async for chunk in before.content]) == b"first, and longer"
    assert await read(blobs, "k") == b"second"
    assert len(files(tmp_path)) == 1


async def test_what_fails_or_is_called_off_leaves_what_was_there(
    blobs: Blobs, tmp_path: Path
) -> None:
    await put(blobs, "k", b"old")
    begun = asyncio.Event()

    async def failing() -> AsyncIterator[bytes]:
        yield b"half"
        raise ZeroDivisionError

    async def endless() -> AsyncIterator[bytes]:
        yield b"half"
        begun.set()
        await asyncio.Event().wait()

    with pytest.raises(ZeroDivisionError):
        await put(blobs, "k", failing())
    putting = asyncio.create_task(put(blobs, "k", endless()))
    await begun.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert await read(blobs, "k") == b"old"
    assert len(files(tmp_path)) == 1


async def test_only_their_owner_may_read_them(blobs: Blobs, tmp_path: Path) -> None:
    await put(blobs, "k", b"x")
    (file,) = files(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    for folder in (file.parent, file.parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("key", ["", "../k", "a/b", ".k", "K", "k\n", "k" * 101, "a.b"])
async def test_what_people_may_have_written_is_no_key(key: str, blobs: Blobs) -> None:
    with pytest.raises(Invalid):
        await put(blobs, key, b"x")
    with pytest.raises(Invalid):
        await blobs.open(key)


async def test_what_is_not_there_is_not_found_and_may_be_deleted(blobs: Blobs) -> None:
    await put(blobs, "k", b"x")
    for _ in range(2):
        await blobs.delete("k")
        with pytest.raises(NotFound):
            await blobs.open("k")


async def test_the_old_ones_of_a_kind_go_and_what_was_never_finished(
    blobs: Blobs, tmp_path: Path
) -> None:
    for key in ("report-a", "report-b", "file-a"):
        await put(blobs, key, b"x")
    part = next(iter(files(tmp_path))).with_name(".report-c.0011")
    part.write_bytes(b"half")
    assert await blobs.prune("report-", datetime.now(UTC) - timedelta(hours=1)) == 0
    assert len(files(tmp_path)) == 4
    assert await blobs.prune("report-", datetime.now(UTC) + timedelta(hours=1)) == 2
    assert [file.name for file in files(tmp_path)] == ["file-a"]


# Links

LINKS = Links(Settings(jwt_secret="one"))


def signed(link: str) -> Signed:
    fields = dict(pair.split("=") for pair in link.partition("?")[2].split("&"))
    return Signed(int(fields["expires"]), fields["kid"], fields["signature"])


def test_a_link_opens_its_file_until_it_expires() -> None:
    link = LINKS.to("k", LATER)
    assert link.startswith("/api/v1/files/k/content?expires=")
    LINKS.check("k", "GET", signed(link), NOW)
    with pytest.raises(NotAllowed) as caught:
        LINKS.check("k", "GET", signed(link), LATER)
    assert caught.value.code == "file.link_expired"


def test_a_link_opens_nothing_else() -> None:
    true = signed(LINKS.to("k", LATER))
    flipped = "0" if true.signature[0] != "0" else "1"
    attempts = [
        ("other", "GET", true),
        ("k", "PUT", true),
        ("k", "GET", replace(true, expires=true.expires + 1)),
        ("k", "GET", replace(true, kid="00000000")),
        ("k", "GET", replace(true, signature=flipped + true.signature[1:])),
        ("k", "GET", replace(true, signature="ü")),
        ("k", "GET", replace(true, signature="")),
        ("k", "GET", signed(LINKS.to("k", LATER, "PUT"))),
        ("k", "GET", signed(Links(Settings(jwt_secret="two")).to("k", LATER))),
    ]
    for key, method, given in attempts:
        with pytest.raises(NotAllowed) as caught:
            LINKS.check(key, method, given, NOW)
        assert caught.value.code == "file.bad_link"
