"""Nobody waits for a Postgres that is away: who asks, or waits already, is told to come again."""

import asyncio
from typing import Any

from litestar import Request
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import guard
from api.edge import runtime_of
from infra.reach import Away

PATIENCE_S = 2.0


class Bounded(ASGIMiddleware):
    """Until the answer begins: what is sent then, a file or a stream, goes on.

    A command that was under way may have been stored; the same again, by its Idempotency-Key, says.
    """

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        reach = runtime_of(scope).reach
        with reach.bounded() as bound:

            async def begun(message: Message) -> None:
                bound.drop()
                await send(message)

            await next_app(scope, receive, begun)


async def bounded_guard(request: Request[Any, Any, Any]) -> None:
    """For what some may have without Postgres: the others do not wait for it long."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await guard(request)
    except TimeoutError:
        raise Away("Postgres does not answer") from None
