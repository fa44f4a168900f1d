"""What a client is told of what went wrong, with the codes that REST has as well."""

from uuid import UUID

import psycopg
import structlog

from api.realtime import protocol as p
from api.tokens import NotAuthenticated
from domain.errors import Refused
from infra.eventstore.types import Conflict, StoreOverloaded
from projections.read import BehindPosition

log = structlog.get_logger()


def failure(error: Exception, re: UUID | None) -> p.Err:
    """The answer to the frame `re`, or to nothing that was asked."""
    match error:
        case NotAuthenticated():
            return p.Err(re=re, code=error.code)
        case Refused():
            return p.Err(re=re, code=error.code, detail=error.detail)
        case Conflict():
            return p.Err(re=re, code="version.conflict", retry_after=0.1)
        case StoreOverloaded() | BehindPosition():
            return p.Err(re=re, code="store.overloaded", retry_after=error.retry_after_s)
        case psycopg.OperationalError():
            log.warning("effect_postponed", error=str(error).strip())
            return p.Err(re=re, code="store.unavailable", retry_after=1.0)
        case _:
            log.error("effect_failed", exc_info=error)
            return p.Err(re=re, code="internal")
