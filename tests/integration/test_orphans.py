"""Bytes that no file has."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from infra.runtime import Runtime
from workers import purge_files

pytestmark = pytest.mark.services


async def test_bytes_that_vanish_while_orphans_are_looked_for_stop_nothing(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else has thrown them away."""
    for key in ("f-1", "f-2"):
        await runtime.blobs.put(key, b"x", content_type="text/plain", name=key)

    async def there(prefix: str, after: str, limit: int) -> list[str]:
        return [key for key in ("f-0", "f-1", "f-2") if key > after] if prefix == "f-" else []

    monkeypatch.setattr(runtime.blobs, "keys", there)
    monkeypatch.setattr(purge_files, "YOUNG", timedelta(0))
    gone = [one async for one in purge_files.unneeded(runtime, "f-", nobody_needs)]
    assert len(gone) == 2


async def nobody_needs(_keys: Sequence[str]) -> set[str]:
    return set()
