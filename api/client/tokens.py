"""Tokens: signing in, and another access token whenever one has run out."""

import asyncio

import httpx
import msgspec

from api.client.errors import Refused
from api.client.http import Answer, Request, send
from api.signed_in import Me, Session

ROOT = "/api/v1"


class Tokens:
    """One person's session at one server."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._session: Session | None = None
        self._renewing = asyncio.Lock()

    @property
    def me(self) -> Me:
        """Raises Refused (auth.missing) while nobody is signed in."""
        return self._signed_in().user

    @property
    def access(self) -> str:
        """Raises Refused (auth.missing) while nobody is signed in."""
        return self._signed_in().access_token

    async def login(self, email: str, password: str) -> Me:
        answer = await self._post("/auth/login", {"email": email, "password": password})
        self._session = msgspec.convert(answer.body, Session)
        return self._session.user

    def forget(self) -> None:
        self._session = None

    async def newer(self, stale: str) -> str:
        """A token other than `stale`. A refresh token works once, so one caller at a time."""
        async with self._renewing:
            session = self._signed_in()
            if session.access_token == stale:
                answer = await self._post("/auth/refresh", {"refresh_token": session.refresh_token})
                session = self._session = msgspec.convert(answer.body, Session)
            return session.access_token

    async def _post(self, path: str, body: object) -> Answer:
        return await send(self._http, Request("POST", ROOT + path, body))

    def _signed_in(self) -> Session:
        if self._session is None:
            raise Refused("auth.missing")
        return self._session
