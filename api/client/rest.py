"""REST with typed answers: a refusal is raised, an access token that has run out is renewed."""

from uuid import UUID

import httpx

from api.client.errors import Refused
from api.client.http import Answer, Request, send
from api.client.tokens import ROOT, Tokens


class Rest:
    """Paths are below /api/v1, with a leading slash.

    `key` makes a write safe to send again, `version` makes it depend on what one has seen, and
    `lock` is the fencing token of a lock one holds.
    """

    def __init__(self, http: httpx.AsyncClient, tokens: Tokens) -> None:
        self._http = http
        self._tokens = tokens

    async def get(self, path: str, **query: object) -> Answer:
        """A `None` in the query is left out."""
        params = {name: str(value) for name, value in query.items() if value is not None}
        return await self._signed(Request("GET", ROOT + path, params=params))

    async def post(
        self,
        path: str,
        body: object = None,
        *,
        key: UUID | str | None = None,
        version: int | None = None,
        lock: int | None = None,
    ) -> Answer:
        return await self._write("POST", path, body, key, version, lock)

    async def put(
        self,
        path: str,
        body: object = None,
        *,
        key: UUID | str | None = None,
        version: int | None = None,
        lock: int | None = None,
    ) -> Answer:
        return await self._write("PUT", path, body, key, version, lock)

    async def patch(
        self,
        path: str,
        body: object = None,
        *,
        key: UUID | str | None = None,
        version: int | None = None,
        lock: int | None = None,
    ) -> Answer:
        return await self._write("PATCH", path, body, key, version, lock)

    async def delete(
        self,
        path: str,
        *,
        key: UUID | str | None = None,
        version: int | None = None,
        lock: int | None = None,
    ) -> Answer:
        return await self._write("DELETE", path, None, key, version, lock)

    async def _write(
        self,
        method: str,
        path: str,
        body: object,
        key: UUID | str | None,
        version: int | None,
        lock: int | None,
    ) -> Answer:
        given = {
            "Idempotency-Key": key,
            "If-Match": None if version is None else f'"{version}"',
            "Lock-Token": lock,
        }
        headers = {name: str(value) for name, value in given.items() if value is not None}
        return await self._signed(Request(method, ROOT + path, body, headers))

    async def _signed(self, asked: Request) -> Answer:
        token = self._tokens.access
        try:
            return await send(self._http, asked, token)
        except Refused as error:
            if error.code != "auth.expired":
                raise
        return await send(self._http, asked, await self._tokens.newer(token))
