"""Locks over REST: who holds and who waits, and the tokens that a write to what is locked takes."""

from collections.abc import Collection
from typing import Annotated, TypeAlias
from uuid import UUID

from litestar import Router, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, HeaderParameter

from api.call import MAX_DIGITS, Call, Malformed
from api.conditions import unlocked
from api.paging import Cursor, Limit, Page, from_cursor, page
from api.reads import provide_live_db
from domain.access import Action
from domain.document import MAX_FIELDS
from infra.db import Connection
from infra.eventstore.execute import Do
from projections.locks import LockRow, locks_of

WHOLE = ""  # among fields: the lock of the task or the document itself

LockTokens: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name="Lock-Token",
        description="fencing tokens of locks that one holds: `7` for `task:<id>` or"
        " `document:<id>`, `title=8` for its field `…/title`; several are separated by commas",
    ),
]


def free(call: Call, resource: str, fields: Collection[str], given: str | None) -> list[Do]:
    """The resource and these of its fields are locked by nobody, or by these tokens."""
    tokens, now = _tokens(given), call.runtime.now()
    return [
        unlocked(call.project, _named(resource, name), call.caller.id, tokens.get(name), now)
        for name in sorted({WHOLE, *fields, *tokens})
    ]


def _named(resource: str, field: str) -> str:
    return f"{resource}/{field}" if field else resource


def _tokens(given: str | None) -> dict[str, int]:
    """By field; WHOLE for the resource itself. Raises Malformed."""
    tokens: dict[str, int] = {}
    for part in given.split(",")[: MAX_FIELDS + 1] if given else ():
        name, _, token = part.strip().rpartition("=")
        if not token.isdecimal() or len(token) > MAX_DIGITS:
            raise Malformed("request.bad_lock_token", given=part.strip()[:40])
        tokens[name] = int(token)
    return tokens


@get(
    "/projects/{project:uuid}/locks",
    opt={"action": Action.PROJECT_READ},
    dependencies={"db": Provide(provide_live_db)},
)
async def list_all(
    project: FromPath[UUID],
    db: NamedDependency[Connection],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[LockRow]:
    """What is locked in a project, by resource; `queue` are the participations that wait."""
    rows = await locks_of(db, project, from_cursor(cursor, str), limit + 1)
    return page(rows, limit, lambda row: row.resource)


locks = Router("/", route_handlers=[list_all], tags=["locks"])
