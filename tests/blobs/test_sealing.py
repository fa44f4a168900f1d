"""The sealed format: any size, any range, and whatever is changed on the disk is found."""

import asyncio
import os
from base64 import b64encode
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec.structs import replace

from infra.blobs.door import Blobs, open_blobs
from infra.blobs.model import Damaged
from infra.blobs.sealing import CHUNK, HEADER, TAG
from infra.settings import Settings, SettingsError
from tests.blobs.conftest import files, now, put, read
from tests.conftest import STORAGE_KEY

OTHER = b64encode(bytes(32)).decode()
EDGES = [max(0, chunks * CHUNK + by) for chunks in range(7) for by in (-1, 0, 1)]
SIZES = st.integers(0, 3 * CHUNK) | st.sampled_from(EDGES)


def kept(folder: Path, key: str = STORAGE_KEY) -> Settings:
    return Settings(local_storage_path=str(folder), local_storage_key=key)


def blobs_in(folder: Path, key: str = STORAGE_KEY) -> Blobs:
    return open_blobs(kept(folder, key), now)


def path_of(folder: Path, key: str = "k") -> Path:
    (path,) = folder.glob(f"??/{key}")
    return path


async def stored(folder: Path, content: bytes, key: str = "k") -> Path:
    await put(blobs_in(folder), key, content)
    return path_of(folder, key)


@given(size=SIZES, data=st.data())
@hypothesis_settings(max_examples=60)
def test_any_range_of_any_size_is_what_was_put(size: int, data: st.DataObject) -> None:
    content = os.urandom(size)
    start = data.draw(st.integers(0, size + 2))
    end = data.draw(st.none() | st.integers(0, size + CHUNK))
    with TemporaryDirectory() as folder:
        path = asyncio.run(stored(Path(folder), content))
        blobs = blobs_in(Path(folder))
        assert asyncio.run(blobs.head("k")).bytes == size
        assert asyncio.run(read(blobs, "k")) == content
        wanted = content[start:end]
        assert asyncio.run(_span(blobs, start, end)) == wanted
        on_disk = path.read_bytes()
        assert size < 8 or content[:8] not in on_disk
        assert b"text/csv" not in on_disk  # nor its name and type


async def _span(blobs: Blobs, start: int, end: int | None) -> bytes:
    found = await blobs.open("k", start, end)
    return b"".join([piece async for piece in found.content])


@given(size=SIZES, data=st.data())
@hypothesis_settings(max_examples=60)
def test_a_bit_that_is_flipped_or_an_end_that_is_cut_off_is_found(
    size: int, data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        path = asyncio.run(stored(Path(folder), os.urandom(size)))
        true = path.read_bytes()
        near = st.integers(0, HEADER.size + 200).map(lambda at: min(at, len(true) - 1))
        at = data.draw(near | st.integers(0, len(true) - 1))
        flipped = bytearray(true)
        flipped[at] ^= 1 << data.draw(st.integers(0, 7))
        for bad in (bytes(flipped), true[:at], true + true[at:]):
            path.write_bytes(bad)
            with pytest.raises(Damaged):
                asyncio.run(read(blobs_in(Path(folder)), "k"))


@pytest.mark.parametrize("chunks", [(1, 0, 2), (0, 0, 2), (0, 2), (0, 1), (2, 1, 0), (0, 1, 2, 2)])
async def test_chunks_in_another_order_are_found(tmp_path: Path, chunks: tuple[int, ...]) -> None:
    path = await stored(tmp_path, os.urandom(3 * CHUNK))
    sealed = path.read_bytes()
    size = CHUNK + TAG
    start = len(sealed) - 3 * size
    each = [sealed[start + n * size :][:size] for n in range(3)]
    path.write_bytes(sealed[:start] + b"".join(each[n] for n in chunks))
    with pytest.raises(Damaged):
        await read(blobs_in(tmp_path), "k")


async def test_a_cut_off_end_is_found_before_the_first_byte_is_given(tmp_path: Path) -> None:
    path = await stored(tmp_path, bytes(3 * CHUNK))
    path.write_bytes(path.read_bytes()[: -(CHUNK + TAG)])
    for look in (blobs_in(tmp_path).head("k"), blobs_in(tmp_path).open("k", 0, 1)):
        with pytest.raises(Damaged):
            await look


async def test_a_file_under_the_name_of_another_is_found(tmp_path: Path) -> None:
    one, two = await stored(tmp_path, b"one", "one"), await stored(tmp_path, b"two", "two")
    two.write_bytes(one.read_bytes())
    with pytest.raises(Damaged):
        await read(blobs_in(tmp_path), "two")


async def test_the_same_content_never_looks_the_same(tmp_path: Path) -> None:
    first = (await stored(tmp_path, b"same")).read_bytes()
    assert (await stored(tmp_path, b"same")).read_bytes()[12:] != first[12:]


async def test_an_older_key_opens_what_it_sealed_and_seals_no_more(tmp_path: Path) -> None:
    await stored(tmp_path, b"old")
    both = blobs_in(tmp_path, f"{OTHER},{STORAGE_KEY}")
    assert await read(both, "k") == b"old"
    await put(both, "new", b"new")
    assert await read(blobs_in(tmp_path, OTHER), "new") == b"new"
    with pytest.raises(Damaged, match="LOCAL_STORAGE_KEY"):
        await read(blobs_in(tmp_path, OTHER), "k")


async def test_without_a_key_nothing_is_kept_and_the_line_says_why(tmp_path: Path) -> None:
    settings = replace(kept(tmp_path), local_storage_key="")
    with pytest.raises(SettingsError, match=r"^LOCAL_STORAGE_KEY: is not set"):
        await put(open_blobs(settings, now), "k", b"x")
    assert files(settings) == []


# As reports were kept before


def old(folder: Path, key: str, content: bytes) -> None:
    path = folder / "00" / key
    head = b'{"name":"a.csv","content_type":"text/csv"}'
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(len(head).to_bytes(4) + head + content)


async def test_reports_that_were_never_sealed_are_read(tmp_path: Path) -> None:
    content = os.urandom(3 * CHUNK + 5)
    path = await stored(tmp_path, b"", "report-1")
    old(tmp_path, "report-1", content)
    (tmp_path / "00" / "report-1").rename(path)
    blobs = blobs_in(tmp_path)
    found = await blobs.open("report-1", 3)
    assert (found.blob.name, found.blob.bytes) == ("a.csv", len(content))
    assert b"".join([piece async for piece in found.content]) == content[3:]


async def test_nothing_else_is_read_that_is_not_sealed(tmp_path: Path) -> None:
    path = await stored(tmp_path, b"x", "file-1")
    old(tmp_path, "file-1", b"planted")
    (tmp_path / "00" / "file-1").rename(path)
    with pytest.raises(Damaged):
        await read(blobs_in(tmp_path), "file-1")
