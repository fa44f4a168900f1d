"""The audit as a signed file: whole in each format, and not to be altered unseen."""

import csv
import io
import json
from importlib import import_module
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from infra.settings import Settings
from infra.signing import Signer, is_signed
from projections import audit_list
from projections.audit_files import MANIFEST, BadExport, Manifest, verify_export
from tests.integration.command import formula
from tests.integration.conftest import Api, Json, Person


@pytest.fixture
async def eve(api: Api, monkeypatch: pytest.MonkeyPatch) -> Person:
    """An auditor of a log that takes several steps to export."""
    monkeypatch.setattr(audit_list, "PAGE", 2)
    boss, eve = await api.as_("manager"), await api.as_("auditor")
    for number in range(5):
        await boss.do("POST", "/clients", {"name": f'C{number}, "quoted"'})
    await eve.get("/audit", min_position=boss.position)
    return eve


async def exported(api: Api, eve: Person, tmp_path: Path, **filters: str) -> Path:
    answer = await api.client.get(
        "/api/v1/audit/export", params=filters, headers={"Authorization": f"Bearer {eve.token}"}
    )
    assert answer.status_code == 200, answer.text
    path = tmp_path / "audit.zip"
    path.write_bytes(answer.content)
    return path


def rows_of(path: Path, file: str) -> list[Json]:
    with ZipFile(path) as archive:
        data = archive.read(file)
    if file.endswith("ndjson"):
        return [json.loads(line) for line in data.splitlines()]
    if file.endswith("csv"):
        found: list[Json] = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    else:
        parquet: Any = import_module("pyarrow.parquet")
        found = parquet.read_table(io.BytesIO(data)).to_pylist()
    return [{**row, "position": int(row["position"]), "data": json.loads(row["data"])}
            for row in found]  # fmt: skip


def verified(api: Api, path: Path) -> Manifest:
    return verify_export(path, Signer(api.runtime.settings).public_key)


@pytest.mark.parametrize("file_format", ["ndjson", "csv", "parquet"])
async def test_every_format_has_what_matches_oldest_first(
    file_format: str, api: Api, eve: Person, tmp_path: Path
) -> None:
    path = await exported(api, eve, tmp_path, format=file_format, type="client.created.v1")
    manifest = verified(api, path)
    rows = rows_of(path, f"audit.{file_format}")
    assert [row["data"]["name"] for row in rows] == [f'C{n}, "quoted"' for n in range(5)]
    positions = [row["position"] for row in rows]
    assert positions == sorted(positions)
    assert (manifest.count, manifest.first, manifest.last) == (5, positions[0], positions[-1])
    assert (manifest.filter.type, str(manifest.exported_by)) == ("client.created.v1", eve.id)


async def test_an_export_is_in_the_audit_twice(api: Api, eve: Person, tmp_path: Path) -> None:
    await exported(api, eve, tmp_path, aggregate="client")
    eve.position = await api.runtime.store.head()
    ended, begun = (await eve.get("/audit", type="audit.read.v1", limit=2))["items"]
    assert (begun["data"]["of"], begun["data"]["count"]) == ("begun", 0)
    assert (ended["data"]["of"], ended["data"]["count"]) == ("ended", 5)


async def test_what_was_altered_is_seen(api: Api, eve: Person, tmp_path: Path) -> None:
    path = await exported(api, eve, tmp_path)
    with ZipFile(path) as archive:
        manifest, rows = archive.read(MANIFEST), archive.read("audit.ndjson")

    def write(manifest: bytes, rows: bytes) -> None:
        with ZipFile(path, "w") as archive:
            archive.writestr("audit.ndjson", rows)
            archive.writestr(MANIFEST, manifest)

    write(manifest, rows)
    assert verified(api, path).count == len(rows.splitlines())
    write(manifest, rows.replace(b"C3", b"C4"))
    with pytest.raises(BadExport, match="SHA-256"):
        verified(api, path)
    write(manifest, rows)
    with ZipFile(path, "a") as archive:
        archive.writestr("audit.csv", "forged")
    with pytest.raises(BadExport, match="does not vouch for"):
        verified(api, path)
    write(manifest.replace(b'"head"', b'"head" ').replace(b'"count": ', b'"count": 1'), rows)
    with pytest.raises(BadExport, match="signature"):
        verified(api, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadExport, match="no whole export"):
        verified(api, path)


async def test_another_key_is_not_ours(api: Api, eve: Person, tmp_path: Path) -> None:
    path = await exported(api, eve, tmp_path)
    with pytest.raises(BadExport, match="another key"):
        verify_export(path, Signer(Settings(jwt_secret="other")).public_key)
    assert not is_signed(b"", "no signature", "no key")


async def test_the_commands_export_and_verify(api: Api, eve: Person, tmp_path: Path) -> None:
    file, runtime = tmp_path / "locks.zip", api.runtime
    wanted = '{"aggregate":"client"}'
    code, out, err = await formula(
        runtime, "audit", "export", str(file), "--filter", wanted, "--as", eve.email
    )
    assert (code, "exported 5 events" in out) == (0, True), err
    code, out, _ = await formula(runtime, "audit", "verify-export", str(file), "--json")
    assert (code, json.loads(out)["count"]) == (0, 5)
    file.write_bytes(file.read_bytes()[:-5])
    code, _, err = await formula(runtime, "audit", "verify-export", str(file))
    assert code == 1
    assert "no whole export" in err
    code, _, err = await formula(runtime, "audit", "export", str(file), "--filter", '{"actor":7}')
    assert code == 1
    assert "no filter of the audit" in err
