"""Kinds of refusal and their answers, through an application that does nothing but refuse."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from litestar import Litestar, get
from litestar.exceptions import HTTPException
from litestar.testing import TestClient

from api.call import Malformed
from api.errors import refused, rejected
from api.tokens import NotAuthenticated
from domain.errors import Invalid, Locked, NotAllowed, NotFound, WrongState
from infra.blobs.model import Damaged, Unavailable
from infra.eventstore.codec import TooLarge
from infra.eventstore.execute import CommandReused, WrongVersion
from infra.eventstore.types import Conflict, StoreOverloaded
from projections.read import BehindPosition, Rebuilding

REQUEST = UUID("0190a5d2-9c1e-7d6b-8a51-0d6e4c1b2a3f")

ERRORS: list[tuple[Exception, int, str]] = [
    (Malformed("request.bad_if_match"), 400, "request.bad_if_match"),
    (NotAuthenticated("auth.expired"), 401, "auth.expired"),
    (NotAllowed("access.denied"), 403, "access.denied"),
    (NotFound("task.not_found"), 404, "task.not_found"),
    (WrongState("project.archived"), 409, "project.archived"),
    (Conflict(), 409, "version.conflict"),
    (WrongVersion("version.changed"), 412, "version.changed"),
    (TooLarge(), 413, "body.too_large"),
    (Invalid("task.bad_title"), 422, "task.bad_title"),
    (CommandReused("command.reused"), 422, "command.reused"),
    (psycopg.DataError("NUL"), 422, "request.invalid"),
    (Locked("lock.held"), 423, "lock.held"),
    (StoreOverloaded(), 503, "store.overloaded"),
    (Unavailable("a bucket"), 503, "file.unavailable"),
    (Damaged("report-1"), 500, "file.damaged"),
    (BehindPosition(), 503, "position.not_reached"),
    (Rebuilding(), 503, "projection.rebuilding"),
    (psycopg.OperationalError("password=secret"), 503, "store.unavailable"),
    (psycopg.errors.UndefinedTable("users"), 503, "store.not_ready"),
    (ValueError("password=secret"), 500, "server.failed"),
]


def answer(error: Exception) -> Any:
    @get("/")
    async def fail() -> None:
        raise error

    app = Litestar(
        [fail],
        exception_handlers={HTTPException: rejected, Exception: refused},
        logging_config=None,
    )
    with TestClient(app, raise_server_exceptions=False) as client:
        return client.get("/", headers={"X-Request-ID": str(REQUEST)})


@pytest.mark.parametrize(("error", "status", "code"), ERRORS, ids=[code for _, _, code in ERRORS])
def test_each_kind_has_its_status_and_code(error: Exception, status: int, code: str) -> None:
    answered = answer(error)
    assert answered.status_code == status
    assert answered.headers["Content-Type"] == "application/problem+json"
    assert answered.json() == {
        "type": f"urn:formula:problem:{code}",
        "title": answered.json()["title"],
        "status": status,
        "code": code,
        "instance": REQUEST.urn,
    }


def test_the_details_of_a_refusal_stand_beside_its_code() -> None:
    body = answer(Locked("lock.held", holder=REQUEST)).json()
    assert body["holder"] == str(REQUEST)


def test_a_detail_with_a_reserved_name_does_not_hide_the_status() -> None:
    body = answer(WrongState("project.bad_transition", status="active", detail="x")).json()
    assert (body["status"], body["status_"], body["detail_"]) == (409, "active", "x")


def test_who_is_not_authenticated_is_told_how() -> None:
    assert answer(NotAuthenticated("auth.missing")).headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("error", [StoreOverloaded(), BehindPosition(), psycopg.OperationalError()])
def test_what_passes_says_when_to_ask_again(error: Exception) -> None:
    assert answer(error).headers["Retry-After"] == "1"


def test_a_failure_tells_nothing_of_its_cause() -> None:
    assert "secret" not in answer(ValueError("password=secret")).text
