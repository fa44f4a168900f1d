"""The REST application: routers, what they are given, and what guards them."""

from litestar import Request, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.types import Scope

from api.account_pages import account_pages
from api.activity import feeds
from api.alerts import alerts
from api.analytics import analytics
from api.answer import Answer
from api.api_keys import api_keys
from api.audit import audit
from api.auth import Caller, enter
from api.benchmarks import benchmarks
from api.bounding import Bounded
from api.browser import browser_client
from api.call import provide_call
from api.clients import clients
from api.comments import comments
from api.console_files import console_file, console_page
from api.counting import responses
from api.describing import OPENAPI, PLUGINS, describe
from api.direct import direct
from api.documents import documents
from api.entrance import App
from api.errors import refused, rejected
from api.files import files
from api.health import livez, readyz, startupz
from api.holds import holds
from api.jobs import jobs
from api.jwks import jwks
from api.locks import locks
from api.log_levels import log_levels
from api.metrics import metrics
from api.operations import operations
from api.own_rights import rights
from api.performance import performance
from api.preferences import preferences
from api.project_files import project_files, told_of_files
from api.projects import projects
from api.reactions import reactions
from api.reads import provide_db, provide_lists
from api.realtime.asyncapi import asyncapi_json
from api.realtime.fallback import fallback
from api.realtime.gateway import Gateway
from api.realtime.routes import realtime
from api.receipts import receipts
from api.recovering import recovering
from api.refusals import DENIED
from api.replay import replays
from api.rows import Rows
from api.sessions import sessions, user_sessions
from api.store import store
from api.tasks import tasks
from api.tus import say_version, tus
from api.unsubscribing import unsubscribing
from api.uploads import uploads
from api.users import users
from infra.admission import DOOR
from infra.jobs.board import Board
from infra.metrics import Metrics
from infra.nodes import Heart
from infra.passwords import Passwords
from infra.runtime import Runtime
from infra.shipping import DROPPED
from projections.lists import Lists

MAX_BODY = 1 << 20  # bytes of a request

ROUTERS = (
    sessions,
    rights,
    recovering,
    account_pages,
    users,
    user_sessions,
    api_keys,
    preferences,
    unsubscribing,
    clients,
    projects,
    tasks,
    documents,
    locks,
    comments,
    reactions,
    feeds,
    audit,
    holds,
    replays,
    realtime,
    performance,
    benchmarks,
    alerts,
    receipts,
    fallback,
    operations,
    store,
    log_levels,
    jobs,
    analytics,
    files,
    project_files,
    tus,
    direct,
)


# What handlers may ask for by name, of the process that they run in.
PARTS = ("runtime", "heart", "gateway", "passwords", "counted", "board")


def bind(
    app: App,
    runtime: Runtime,
    heart: Heart,
    gateway: Gateway,
    passwords: Passwords | None = None,
) -> App:
    """Let the application answer from an open runtime, in place of the one it had."""
    times, refusals = responses(), gateway.hub.refusals
    counted = Metrics([*gateway.hub.meters.metrics, times, refusals.counted, DROPPED])
    counted.include(DOOR.metrics)
    app.follow(runtime.settings)
    app.state.update(
        {
            "runtime": runtime,
            "heart": heart,
            "gateway": gateway,
            "passwords": passwords or Passwords(),
            "board": Board(runtime),
            "told_of_files": told_of_files(runtime),
            "rows": Rows(runtime),
            "lists": Lists(runtime),
            "responses": times,
            "refusals": refusals,
            "counted": counted,
        }
    )
    return app


def create_app() -> App:
    """The application, which answers once it is bound."""
    app = App(
        route_handlers=[
            Router("/api/v1", route_handlers=ROUTERS, before_request=enter, middleware=[Bounded()]),
            livez,
            readyz,
            startupz,
            jwks,
            browser_client,
            console_page,
            console_file,
            asyncapi_json,
            metrics,
            uploads,
        ],
        dependencies={
            **{name: _part(name) for name in PARTS},
            "caller": Provide(_caller, sync_to_thread=False),
            "call": Provide(provide_call, sync_to_thread=False),
            "db": Provide(provide_db),
            "lists": Provide(provide_lists),
        },
        exception_handlers={HTTPException: rejected, Exception: refused, **DENIED},
        response_class=Answer,
        before_send=[say_version],
        request_max_body_size=MAX_BODY,
        logging_config=None,
        openapi_config=OPENAPI,
        plugins=PLUGINS,
        debug=False,
    )
    describe(app)
    return app


def _part(name: str) -> Provide:
    def part(scope: Scope) -> object:
        return scope["litestar_app"].state[name]

    return Provide(part, sync_to_thread=False)


def _caller(request: Request[Caller, None, State]) -> Caller:
    return request.user
