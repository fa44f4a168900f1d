"""REST and WebSockets on one port."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager

import structlog
import uvicorn
from litestar.types import ASGIApp, Receive, Scope, Send

from api.app import bind, create_app
from api.entrance import App
from api.http_protocol import HttpProtocol
from api.listening import BACKLOG, several
from api.realtime import protocol as p
from api.realtime.gateway import Gateway, open_gateway
from api.realtime.wire_protocol import WireProtocol
from infra.monitoring.sampling import sampling
from infra.nodes import heartbeat
from infra.passwords import Passwords
from infra.runtime import open_runtime
from infra.settings import Settings

GRACE_S = 5  # for requests that run when the process is told to stop

log = structlog.get_logger()


class Server(uvicorn.Server):
    """uvicorn without signal handlers: infra.process has them."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def front(app: ASGIApp, gateway: Gateway) -> ASGIApp:
    """WebSockets of the one path go to the gateway, all else to Litestar."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and scope["path"] == p.PATH:
            await gateway(scope, receive, send)
        else:
            await app(scope, receive, send)

    return route


async def serve(listener: socket.socket, settings: Settings) -> None:
    await serve_app(settings, listener, create_app(), Passwords())


async def serve_app(
    settings: Settings, listener: socket.socket, app: App, passwords: Passwords
) -> None:
    """Serve until cancelled; then readiness goes first, sockets drain, requests finish."""
    async with (
        open_runtime(settings) as runtime,
        heartbeat(runtime, "api") as heart,
        open_gateway(runtime) as gateway,
    ):
        heart.report = gateway.hub.meters.short
        bound = bind(app, runtime, heart, gateway, passwords)
        async with sampling(runtime, "api", bound.state["counted"]):
            server = Server(config(front(bound, gateway), settings))
            serving = asyncio.create_task(server.serve(sockets=several(listener)))
            heart.set("ready")
            log.info("listening", host=settings.host, port=settings.port)
            try:
                await asyncio.shield(serving)
            finally:
                heart.set("stopping")
                await gateway.drain()
                server.should_exit = True
                await serving


def config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """Whose X-Forwarded-For counts is said by name: uvicorn by itself believes anybody nearby."""
    return uvicorn.Config(
        app,  # pyright: ignore[reportArgumentType]  # Litestar and uvicorn type ASGI apart
        ws=WireProtocol,
        http=HttpProtocol,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        ws_max_size=p.MAX_FRAME,
        ws_ping_interval=p.PING_S,
        ws_ping_timeout=p.PING_S,
        ws_per_message_deflate=settings.websocket_deflate,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=GRACE_S,
        backlog=BACKLOG,
    )
