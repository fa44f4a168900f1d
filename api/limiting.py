"""How many requests one may make: by user with a token, by address without."""

from math import ceil

from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from api.auth import bearer, proven_of
from api.edge import runtime_of
from api.tokens import NotAuthenticated
from domain.errors import Refused
from infra.limits import address_of


class RateLimited(Refused):
    """Too much was asked for; after `retry_after_s` there is room again."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("rate.limited", retry_after=ceil(retry_after_s))
        self.retry_after_s = retry_after_s


class RateLimit(ASGIMiddleware):
    """Before anything else is done for a request. A token that does not hold is as good as none."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        runtime, address = runtime_of(scope), address_of(scope["client"])
        if not runtime.api_keys.knows(bearer(Headers.from_scope(scope))):
            _pass(runtime.limits.request(address, None))  # to ask the database is not for free
        try:
            user = (await proven_of(scope)).user
        except NotAuthenticated:
            user = None
        _pass(runtime.limits.request(address, user))
        await next_app(scope, receive, send)


def _pass(wait_s: float) -> None:
    if wait_s:
        raise RateLimited(wait_s)
