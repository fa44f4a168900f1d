"""Nobody waits for a Postgres that is away: who asks, or waits already, is told to come again."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers.base import BaseRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import guard
from api.edge import runtime_of


class Bounded(ASGIMiddleware):
    """Until the answer begins: what is sent then, a file or a stream, goes on.

    A command that was under way may have been stored; the same again, by its Idempotency-Key, says.
    """

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        reach = runtime_of(scope).reach
        async with reach.bounded() as bound:

            async def begun(message: Message) -> None:
                reach.drop(bound)
                await send(message)

            await next_app(scope, receive, begun)


async def bounded_guard(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """For routes that answer without Postgres, but not everybody."""
    async with runtime_of(connection.scope).reach.bounded():
        await guard(connection, handler)
