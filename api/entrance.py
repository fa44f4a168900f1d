"""The application, and what is decided before anything is routed."""

from typing import Any, cast

from litestar import Litestar, Request
from litestar.enums import ScopeType
from litestar.types import HTTPScope, Receive, Scope, Send

from api.cors import Cors, preflight
from api.edge import ALWAYS, HTTPS_ONLY, Headers, handle
from api.errors import problem
from api.realtime.upgrade import origins
from infra.settings import Settings

MAX_URL = 8 * 1024  # bytes of a path with its query


class App(Litestar):
    """Open to pages of other origins once it knows of them."""

    always: Headers = ALWAYS
    cors: Cors | None = None

    def follow(self, settings: Settings) -> None:
        secure = settings.public_url.startswith("https://")
        self.always = (*ALWAYS, HTTPS_ONLY) if secure else ALWAYS
        allowed = origins(settings.allowed_origins)
        self.cors = Cors(allowed) if allowed else None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != ScopeType.HTTP:
            await super().__call__(scope, receive, send)
            return
        scope["litestar_app"] = self
        scope.setdefault("state", {})
        cors, always, app = self.cors, self.always, super().__call__
        if cors is not None:
            always += cors.headers(scope)
            if cors.is_preflight(scope):
                app = preflight
        if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_URL:
            app = too_long
        await handle(scope, receive, send, app, always)


async def too_long(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request[Any, Any, Any](cast(HTTPScope, scope))
    refusal: Any = problem(request, 414, "url.too_long", {"most": MAX_URL})
    await refusal.to_asgi_response(app=None, request=request)(scope, receive, send)
