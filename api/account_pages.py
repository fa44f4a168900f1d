"""/auth/pages: where the links of mails lead, for people whose client has no page of its own.

A GET changes nothing: scanners follow every link of a mail. A page's form does what the API does.
"""

from html import escape
from typing import Annotated, Any
from urllib.parse import parse_qs

from litestar import MediaType, Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.status_codes import HTTP_200_OK

from api.auth import Open
from api.pages import page
from api.recovering import set_by_link, verify_by_link
from api.registering import LEAST_PASSWORD, MOST_PASSWORD
from domain.errors import Invalid
from infra.passwords import Passwords
from infra.proofs import MAX_PROOF
from infra.runtime import Runtime

MAX_FORM = 4_096  # bytes

Token = Annotated[str, QueryParameter(max_length=MAX_PROOF, description="of a mail's link")]


@get("/reset", opt={"action": Open.PUBLIC}, media_type=MediaType.HTML)
async def ask_password(token: Token) -> Response[str]:
    return page(
        "New password",
        f'<form method="post" action="?token={escape(token)}">'
        '<p><label>New password <input type="password" name="password" required'
        f' autocomplete="new-password" minlength="{LEAST_PASSWORD}"></label></p>'
        "<button>Set it, and end all log-ins</button></form>",
    )


@post(
    "/reset",
    opt={"action": Open.PUBLIC},
    media_type=MediaType.HTML,
    status_code=HTTP_200_OK,
    request_max_body_size=MAX_FORM,
)
async def set_password(
    token: Token,
    request: Request[Any, Any, Any],
    runtime: NamedDependency[Runtime],
    passwords: NamedDependency[Passwords],
) -> Response[str]:
    form = parse_qs((await request.body()).decode(errors="replace"))
    password = form.get("password", [""])[0]
    if not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
        raise Invalid("password.bad_length", least=LEAST_PASSWORD, most=MOST_PASSWORD)
    await set_by_link(runtime, passwords, request, token, password)
    return page("New password", "<p>Your password is set. Sign in with it.</p>")


@get("/verify", opt={"action": Open.PUBLIC}, media_type=MediaType.HTML)
async def ask_verify(token: Token) -> Response[str]:
    return page(
        "Your address",
        "<p>Is this your address?</p>"
        f'<form method="post" action="?token={escape(token)}"><button>Yes</button></form>',
    )


@post("/verify", opt={"action": Open.PUBLIC}, media_type=MediaType.HTML, status_code=HTTP_200_OK)
async def verify(
    token: Token, request: Request[Any, Any, Any], runtime: NamedDependency[Runtime]
) -> Response[str]:
    await verify_by_link(runtime, request, token)
    return page("Your address", "<p>Thank you: that is your address.</p>")


account_pages = Router(
    "/auth/pages", route_handlers=[ask_password, set_password, ask_verify, verify], tags=["auth"]
)
