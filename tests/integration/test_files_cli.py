"""formula files: what is kept is read again; what is wrong with it is found."""

import json
import os
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from msgspec.structs import replace

from domain.file import FILE, ProcessFile, Rendition
from infra.runtime import SYSTEM, Runtime
from tests.integration.command import formula
from tests.integration.conftest import Api, Place
from tests.integration.keeping import keep, shown


async def files(runtime: Runtime, *arguments: str, code: int = 0) -> list[Any]:
    """What a command prints as JSON lines."""
    ended, out, err = await formula(runtime, "files", *arguments, "--json")
    assert ended == code, err
    return [json.loads(line) for line in out.splitlines()]


async def failed(runtime: Runtime, *arguments: str) -> str:
    """The one line of a command that fails."""
    code, out, err = await formula(runtime, "files", *arguments)
    assert (code, out) == (1, ""), err
    [line] = err.splitlines()
    return line


async def blob(runtime: Runtime, file: UUID) -> tuple[str, Path]:
    """The key of its first version, and where that is on the disk."""
    key = (await runtime.load(FILE, file)).state.versions[0].key
    return key, on_disk(runtime, key)


def on_disk(runtime: Runtime, key: str) -> Path:
    [path] = Path(runtime.settings.local_storage_path).glob(f"??/{key}")
    return path


async def put(runtime: Runtime, key: str, content: bytes = b"stray") -> None:
    await runtime.blobs.put(key, content, content_type="text/plain", name="a.txt")


async def test_what_is_whole_is_found_so(api: Api, place: Place) -> None:
    for content in (b"one", b"two " * 100_000):
        await keep(api.runtime, place.project, content)
    [report] = await files(api.runtime, "verify")
    assert report == {
        "versions": 2,
        "renditions": 0,
        "bytes": 400_003,
        "findings": [],
        "strays": {"old": 0, "young": 0},
    }
    code, out, _ = await formula(api.runtime, "files", "verify")
    assert code == 0
    assert "2 versions, 0 renditions, 400,003 bytes: 0 faults\n" in out


async def test_what_is_damaged_missing_or_another_is_found(api: Api, place: Place) -> None:
    runtime = api.runtime
    damaged, missing, shorter, other, whole = [
        await keep(runtime, place.project, bytes([65 + n]) * 200_000) for n in range(5)
    ]
    key, path = await blob(runtime, damaged)
    content = bytearray(path.read_bytes())
    content[-1_000] ^= 1
    path.write_bytes(content)
    (await blob(runtime, missing))[1].unlink()
    await put(runtime, (await blob(runtime, shorter))[0], b"C" * 199_999)
    await put(runtime, (await blob(runtime, other))[0], b"E" * 200_000)
    [report] = await files(runtime, "verify", code=1)
    found = {UUID(one["file"]): one for one in report["findings"]}
    assert {file: one["fault"] for file, one in found.items()} == {
        damaged: "damaged",
        missing: "missing",
        shorter: "differs",
        other: "differs",
    }
    assert found[damaged]["key"] == key
    assert found[shorter]["detail"] == "199999 bytes of 200000"
    code, out, _ = await formula(runtime, "files", "verify")
    assert code == 1
    assert f"missing  {missing} version 1 f-" in out
    assert str(whole) not in out


async def test_what_was_made_of_a_file_is_read_as_well(api: Api, place: Place) -> None:
    runtime = api.runtime
    file = await keep(runtime, place.project, b"a picture")
    made = [of_one(name, f"{name} " * 1_000) for name in ("whole", "lost", "other")]
    for one in made:
        await put(runtime, one.key, f"{one.name} ".encode() * 1_000)
    process = ProcessFile(number=1, renditions=tuple(made))
    outcome = await runtime.execute(SYSTEM, FILE, file, process, project=UUID(place.project))
    await shown(runtime, outcome.position)
    [report] = await files(runtime, "verify")
    assert (report["versions"], report["renditions"], report["bytes"]) == (1, 3, 9 + 17_000)
    on_disk(runtime, "r-lost").unlink()
    await put(runtime, "r-other", b"OTHER " * 1_000)
    [report] = await files(runtime, "verify", code=1)
    found = {one["rendition"]: (one["fault"], one["key"]) for one in report["findings"]}
    assert found == {"lost": ("missing", "r-lost"), "other": ("differs", "r-other")}
    _, out, _ = await formula(runtime, "files", "verify")
    assert f"missing  {file} version 1 lost r-lost\n" in out


def of_one(name: str, content: str) -> Rendition:
    digest = sha256(content.encode()).hexdigest()
    return Rendition(name, f"r-{name}", "text/plain", len(content), digest)


async def test_one_project_alone_is_looked_through(api: Api, place: Place) -> None:
    runtime = api.runtime
    await keep(runtime, place.project, b"one")
    other = (await place.boss.do("POST", "/projects", {"name": "Q"}))["id"]
    lost = await keep(runtime, other, b"more")
    (await blob(runtime, lost))[1].unlink()
    [report] = await files(runtime, "verify", "--project", place.project)
    assert (report["versions"], report["bytes"], report["strays"]) == (1, 3, None)
    await files(runtime, "verify", "--project", other, code=1)


async def test_blobs_of_no_file_are_counted_and_the_young_ones_apart(
    api: Api, place: Place
) -> None:
    runtime = api.runtime
    await keep(runtime, place.project, b"one")
    for key in ("f-old", "r-old", "f-young", "report-1"):
        await put(runtime, key)
    old = (runtime.now() - timedelta(days=1, minutes=1)).timestamp()
    for key in ("f-old", "r-old", "report-1"):
        os.utime(on_disk(runtime, key), (old, old))
    [report] = await files(runtime, "verify")
    assert report["strays"] == {"old": 2, "young": 1}
    _, out, _ = await formula(runtime, "files", "verify")
    assert "2 blobs of no file, and 1 younger than a day\n" in out


async def test_a_file_is_listed_shown_deleted_and_restored(api: Api, place: Place) -> None:
    runtime, admin = api.runtime, await api.as_("admin")
    file = await keep(runtime, place.project, b"What it weighs", "[b]lift.txt")
    await keep(runtime, place.project, b"other", "stairs.txt")
    [listed] = await files(runtime, "list", "--search", "lift", "--project", place.project)
    [found] = await files(runtime, "show", str(file))
    assert found["file"] == listed
    assert [one["verdict"] for one in found["versions"]] == ["clean"]
    for command in (("list",), ("show", str(file))):
        _, out, _ = await formula(runtime, "files", *command)
        assert "[b]lift.txt" in out
        assert "clean" in out

    as_admin = ("--as", admin.email)
    [done] = await files(runtime, "rm", str(file), "--reason", "too heavy", *as_admin)
    [*_, event] = await runtime.store.read_stream(file)
    assert (str(event.meta.actor), event.meta.user_agent) == (admin.id, "formula files")
    await shown(runtime, done["position"])
    assert len(await files(runtime, "list")) == 1
    assert "deleted 20" in (await formula(runtime, "files", "show", str(file)))[1]
    _, out, _ = await formula(runtime, "files", "rm", str(file), "--reason", "again")
    assert out == f"{file} was deleted before\n"
    [done] = await files(runtime, "restore", str(file))
    await shown(runtime, done["position"])
    assert len(await files(runtime, "list")) == 2


async def test_a_user_of_as_sees_and_does_what_they_may_over_rest(api: Api, place: Place) -> None:
    runtime, stranger = api.runtime, await api.as_("member")
    file = str(await keep(runtime, place.project, b"one"))
    as_ann, as_stranger = ("--as", place.ann.email), ("--as", stranger.email)
    assert len(await files(runtime, "list", *as_ann)) == 1
    assert len(await files(runtime, "show", file, *as_ann)) == 1
    assert len(await files(runtime, "verify", "--project", place.project, *as_ann)) == 1
    assert await files(runtime, "list", *as_stranger) == []
    assert await failed(runtime, "show", file, *as_stranger) == "formula: file.not_found"
    assert await failed(runtime, "show", str(uuid4())) == "formula: file.not_found"
    assert await failed(runtime, "verify", *as_ann) == "formula: access.denied"
    denied = await failed(runtime, "rm", file, "--reason", "mine", *as_ann)
    assert denied == "formula: access.denied"
    [done] = await files(runtime, "rm", file, "--reason", "no")
    await shown(runtime, done["position"])
    assert await failed(runtime, "show", file, *as_ann) == "formula: file.not_found"


async def test_a_store_that_does_not_answer_is_one_line(api: Api, place: Place) -> None:
    runtime = api.runtime
    await keep(runtime, place.project, b"one")
    away = replace(
        runtime.settings,
        aws_access_key_id="an-id",
        aws_secret_access_key="a-secret",
        aws_s3_bucket="gone",
        aws_endpoint_url="http://127.0.0.1:9",
    )
    line = await failed(replace(runtime, settings=away), "verify")
    assert line.startswith("formula: S3 ")
