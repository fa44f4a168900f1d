"""The verdict comes from a program of its own: what it cannot bear is refused, not suffered."""

import asyncio
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from domain.errors import Invalid
from infra.inspecting.judging import BOUNDS, judge
from infra.inspecting.kinds import JSON, PNG, TEXT, ZIP, kind_of
from infra.inspecting.model import Clean, Code, Infected, Rejected
from infra.settings import Settings
from tests.infra.inspecting.samples import EICAR, archive, picture, png

SETTINGS = Settings()


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    return kept(tmp_path / "upload", picture("PNG"))


def kept(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


async def test_a_verdict_is_one_of_three(upload: Path) -> None:
    assert await judge(SETTINGS, upload, "ä - --x.png", PNG) == Clean("built-in")
    verdict = await judge(SETTINGS, kept(upload, png(50_000, 50_000)), "a.png", PNG)
    assert isinstance(verdict, Rejected)
    assert verdict.code is Code.PIXELS
    found = Infected("Eicar-Test-Signature", "built-in")
    assert await judge(SETTINGS, kept(upload, EICAR), "a.txt", TEXT) == found


async def test_another_kind_or_name_than_before_is_refused(upload: Path) -> None:
    for name, kind, code in (
        ("a.txt", PNG, Code.DIFFERS),
        ("a.png", TEXT, Code.DIFFERS),
        ("a.png.exe", PNG, Code.NAME),
        ("a\0.png", PNG, Code.NAME),
        ("\ud800.png", PNG, Code.NAME),
    ):
        verdict = await judge(SETTINGS, upload, name, kind)
        assert isinstance(verdict, Rejected)
        assert verdict.code is code


async def test_what_takes_too_long_or_too_much_is_refused(tmp_path: Path) -> None:
    path = kept(tmp_path / "upload", archive({str(n): bytes(5_000_000) for n in range(12)}))
    for bounds in (
        msgspec.structs.replace(BOUNDS, memory=1 << 20),
        msgspec.structs.replace(BOUNDS, timeout_s=0.01),
        msgspec.structs.replace(BOUNDS, cpu_s=0),
    ):
        verdict = await judge(SETTINGS, path, "a.zip", ZIP, bounds)
        assert isinstance(verdict, Rejected)
        assert verdict.code is Code.UNINSPECTABLE
    assert await judge(SETTINGS, path, "a.zip", ZIP) == Clean("built-in")


async def test_one_that_is_called_off_leaves_nothing(upload: Path) -> None:
    running = asyncio.create_task(judge(SETTINGS, upload, "a.png", PNG))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def test_the_program_says_the_verdict_in_one_line(tmp_path: Path) -> None:
    path = kept(tmp_path / "upload", b'{"a": 1')
    said = subprocess.run(
        [sys.executable, "-m", "infra.inspecting.main", path, "a.json", JSON.content_type],
        capture_output=True,
        check=True,
    )
    assert msgspec.json.decode(said.stdout) == {
        "type": "refused",
        "code": "file.type_differs",
        "detail": "not JSON",
    }


def test_a_type_that_is_not_on_the_list_is_no_kind() -> None:
    assert kind_of("image/png") is PNG
    with pytest.raises(Invalid, match=r"file\.type_not_allowed"):
        kind_of("text/html")
