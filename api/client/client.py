"""Client: one person signed in at one server, by REST and live."""

from functools import cache
from ssl import SSLContext
from types import TracebackType
from typing import Self

import httpx

from api.client.errors import Refused
from api.client.http import Request, send
from api.client.link import Link
from api.client.live import Live
from api.client.rest import Rest
from api.client.tokens import Tokens
from api.realtime import protocol as p
from api.signed_in import Me

TIMEOUT_S = 30.0


@cache
def certificates() -> SSLContext:
    """Whom a client trusts: to read them takes longer than to log in, so it is done once."""
    return httpx.create_ssl_context(trust_env=False)


class Client:
    """`async with Client(url) as client: await client.login(email, password)`"""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        # Straight to the server: what a proxy between adds is not the server's.
        self._http = httpx.AsyncClient(
            base_url=base_url, timeout=TIMEOUT_S, trust_env=False, verify=certificates()
        )
        self._tokens = Tokens(self._http)
        self.rest = Rest(self._http, self._tokens)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    @property
    def me(self) -> Me:
        """Who is signed in. Raises Refused before a log-in."""
        return self._tokens.me

    async def login(self, email: str, password: str) -> Me:
        """Raises Refused (auth.bad_credentials) and NotConnected."""
        return await self._tokens.login(email, password)

    async def logout(self) -> None:
        await self.rest.post("/auth/logout")
        self._tokens.forget()

    async def missing(self) -> list[str]:
        """The roles that the server still waits for; none: it is ready. Raises NotConnected."""
        try:
            await send(self._http, Request("GET", "/readyz"))
        except Refused as error:
            return list(error.detail.get("missing") or [error.code])
        return []

    def connect(self, *, device: str = "client", connect_s: float = TIMEOUT_S) -> Live:
        """A live connection, open inside `async with`; it comes back by itself after a drop."""
        url = "ws" + self.base_url.removeprefix("http") + p.PATH
        return Live(Link(url, self._tokens), device, connect_s)
