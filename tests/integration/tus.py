"""A client of resumable uploads, step by step."""

from base64 import b64encode

import httpx


def said(**pairs: str) -> str:
    """As Upload-Metadata has it."""
    return ",".join(f"{key} {b64encode(text.encode()).decode()}" for key, text in pairs.items())


class Tus:
    """Somebody who uploads."""

    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self._client = client
        self.headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}

    async def __call__(
        self, method: str, path: str = "", content: bytes | None = None, **headers: str
    ) -> httpx.Response:
        """Header names are written with underscores; an empty one is left out."""
        named = self.headers | {name.replace("_", "-").title(): headers[name] for name in headers}
        given = {name: value for name, value in named.items() if value}
        where = path or "/api/v1/realtime/files/tus"
        return await self._client.request(method, where, content=content, headers=given)

    async def begin(self, project: str, length: int, name: str = "a.txt", **more: str) -> str:
        """Where it is."""
        metadata = said(filename=name, project=project, **more)
        answer = await self("POST", upload_length=str(length), upload_metadata=metadata)
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"]

    async def add(
        self, path: str, offset: int, content: bytes, method: str = "PATCH", **headers: str
    ) -> httpx.Response:
        given = {"content_type": "application/offset+octet-stream", "upload_offset": str(offset)}
        return await self(method, path, content, **given | headers)

    async def offset(self, path: str) -> int:
        answer = await self("HEAD", path)
        assert answer.status_code == 200, answer.headers
        return int(answer.headers["Upload-Offset"])
