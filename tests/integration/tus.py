"""A client of resumable uploads, step by step."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import httpx


def said(**pairs: str) -> str:
    """As Upload-Metadata has it."""
    return ",".join(f"{key} {b64encode(text.encode()).decode()}" for key, text in pairs.items())


def of_part(offset: int) -> dict[str, str]:
    return {"content_type": "application/offset+octet-stream", "upload_offset": str(offset)}


class Tus:
    """Somebody who uploads."""

    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self._client = client
        self.headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}

    async def __call__(
        self, method: str, path: str = "", content: bytes | None = None, **headers: str
    ) -> httpx.Response:
        """Header names are written with underscores; an empty one is left out."""
        where = path or "/api/v1/realtime/files/tus"
        given = self._given(headers)
        return await self._client.request(method, where, content=content, headers=given)

    def _given(self, headers: Mapping[str, str]) -> dict[str, str]:
        named = self.headers | {name.replace("_", "-").title(): headers[name] for name in headers}
        return {name: value for name, value in named.items() if value}

    async def begin(self, project: str, length: int, name: str = "a.txt", **more: str) -> str:
        """Where it is."""
        metadata = said(filename=name, project=project, **more)
        answer = await self("POST", upload_length=str(length), upload_metadata=metadata)
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"]

    async def add(
        self, path: str, offset: int, content: bytes, method: str = "PATCH", **headers: str
    ) -> httpx.Response:
        return await self(method, path, content, **of_part(offset) | headers)

    def head(self, path: str, length: int, offset: int = 0, **headers: str) -> bytes:
        """Of a PATCH, for a socket."""
        own = {"host": "api", "content_length": str(length)}
        given = self._given(of_part(offset) | own | headers)
        lines = [f"{name}: {value}" for name, value in given.items()]
        return "\r\n".join([f"PATCH {path} HTTP/1.1", *lines, "", ""]).encode()

    def scope(self, path: str, **headers: str) -> Any:
        """Of a PATCH from the begin, for an application."""
        given = self._given(of_part(0) | headers)
        return {
            "type": "http",
            "http_version": "1.1",
            "method": "PATCH",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
            "client": ("127.0.0.1", 1),
            "server": ("api.test", 80),
        }

    async def offset(self, path: str) -> int:
        answer = await self("HEAD", path)
        assert answer.status_code == 200, answer.headers
        return int(answer.headers["Upload-Offset"])
