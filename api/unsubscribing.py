"""/unsubscribe: no more mail of a kind, by the link in a mail, for whoever has the mail.

Mail providers POST to it (RFC 8058); people come by GET to a page whose button does. A GET changes
nothing: scanners follow every link of a mail.
"""

from collections.abc import Mapping
from html import escape
from typing import Annotated, Any

from litestar import MediaType, Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.status_codes import HTTP_200_OK

from api.auth import Open
from api.call import origin_of
from api.pages import page
from domain.preferences import PREFERENCES, Notice, Unsubscribe, preferences_stream
from infra.runtime import Runtime
from infra.unsubscribing import read

MAX_TOKEN = 200  # characters
Token = Annotated[str, QueryParameter(max_length=MAX_TOKEN, description="of a mail's link")]

KINDS: Mapping[Notice | None, str] = {
    Notice.ASSIGNED: "tasks that are assigned to you",
    Notice.MENTIONED: "comments that mention you",
    Notice.ANNOUNCEMENT: "announcements",
    Notice.REPORT: "reports",
    Notice.WEEKLY_REPORT: "weekly reports",
    Notice.FILE_REFUSED: "files that were refused",
    Notice.ALERT: "critical alerts",
    None: "what is collected for you once a day",
}


@get("/", opt={"action": Open.PUBLIC}, media_type=MediaType.HTML)
async def ask(token: Token, runtime: NamedDependency[Runtime]) -> Response[str]:
    _, notice = read(runtime.settings, token)
    return page(
        "Unsubscribe",
        f"<p>No more mail about {KINDS[notice]}?</p>"
        f'<form method="post" action="?token={escape(token)}">'
        "<button>Unsubscribe</button></form>",
    )


@post("/", opt={"action": Open.PUBLIC}, media_type=MediaType.HTML, status_code=HTTP_200_OK)
async def unsubscribe(
    token: Token, request: Request[Any, Any, Any], runtime: NamedDependency[Runtime]
) -> Response[str]:
    """Again is as good as once."""
    user, notice = read(runtime.settings, token)
    command = Unsubscribe(user=user, notice=notice)
    await runtime.execute(origin_of(request, user), PREFERENCES, preferences_stream(user), command)
    return page("Unsubscribe", f"<p>You will get no more mail about {KINDS[notice]}.</p>")


unsubscribing = Router("/unsubscribe", route_handlers=[ask, unsubscribe], tags=["users"])
