"""A command on its way in and out: the headers that steer it, the answer it gets."""

from typing import Annotated, Any, TypeAlias
from uuid import UUID, uuid5

import msgspec
from litestar import Request, Response
from litestar.params import HeaderParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from api.answer import Answer
from api.auth import Caller, Concerned
from api.edge import runtime_of, trace_of
from domain.errors import Refused
from domain.kernel import Command, Decider
from infra.eventstore.execute import Do, Outcome, command_id
from infra.runtime import Origin, Runtime

MAX_DIGITS = 18  # of a version
MAX_KEY = 200  # characters of an Idempotency-Key
KEYS = UUID("5fd0a7f2-6f0f-5d0c-9a67-2f1d2ab3c9e4")  # where keys that are not UUIDs get theirs

IfMatch: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description='the version to change, as in ETag: `"7"`',
        schema_extra={"pattern": r'^(\*|"[0-9]{1,18}")$'},  # told of; read below
    ),
]
IdempotencyKey: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="a UUID, or text up to 200 characters: sent again, it answers as before",
        schema_extra={"min_length": 1},
    ),
]


class Malformed(Refused):
    """The request cannot be read: not JSON, or a header that makes no sense."""


class Done(msgspec.Struct, frozen=True):
    """What a command led to."""

    id: UUID
    version: int  # of the thing that was changed: its ETag
    position: int | None  # pass it as min_position to read what was written; null: nothing changed


class Call:
    """One command of somebody."""

    def __init__(
        self,
        runtime: Runtime,
        caller: Caller,
        concerned: Concerned,
        origin: Origin,
        key: UUID | None,
        expected: int | None,
    ) -> None:
        self.runtime = runtime
        self.caller = caller
        self.origin = origin
        self.expected = expected
        self.command_id = command_id(caller.id, key) if key else None
        self._concerned = concerned

    @property
    def project(self) -> UUID:
        """The project that a path with a project or a task in it is about."""
        if self._concerned.project is None:
            raise LookupError("the path names neither a project nor a task")
        return self._concerned.project

    def new_id(self, kind: str) -> UUID:
        """A new thing's id: with an idempotency key, the same for every retry."""
        return uuid5(self.command_id, kind) if self.command_id else self.runtime.new_id()

    async def repeated(self) -> bool:
        """Whether it was done already: what is asked of things beside it counted then, not now."""
        return self.command_id is not None and bool(await self.runtime.store.first(self.command_id))

    async def execute(
        self,
        decider: Decider[Any, Any, Any],
        stream: UUID,
        command: Command,
        *also: Do,
        project: UUID | None = None,
        seen: int | None = None,
    ) -> Outcome:
        """`seen`: the version that was looked at, where the caller named none in If-Match."""
        return await self.runtime.execute(
            self.origin,
            decider,
            stream,
            command,
            *also,
            command_id=self.command_id,
            expected=seen if self.expected is None else self.expected,
            project=project,
        )


def provide_call(
    request: Request[Caller, Any, Any],
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Call:
    return Call(
        runtime_of(request.scope),
        request.user,
        request.scope["state"].get("concerned", Concerned()),
        origin_of(request, request.user.id),
        client_id(idempotency_key) if idempotency_key is not None else None,
        version(if_match) if if_match is not None else None,
    )


def origin_of(request: Request[Any, Any, Any], actor: UUID | None) -> Origin:
    return Origin(
        actor=actor,
        api_key=request.scope["state"].get("api_key"),
        ip=request.client.host if request.client else "",
        user_agent=request.headers.get("user-agent", "").replace("\x00", ""),
        correlation_id=trace_of(request.scope).id,
    )


def client_id(key: str) -> UUID:
    """The client's id of a command: a UUID as it is, any other text by its hash."""
    if not 0 < len(key) <= MAX_KEY:
        raise Malformed("request.bad_idempotency_key", most=MAX_KEY)
    try:
        return UUID(key)
    except ValueError:
        return uuid5(KEYS, key)


def version(tag: str) -> int | None:
    """The version in an If-Match header; `*` names none."""
    if tag.strip() == "*":
        return None
    digits = tag.strip().removeprefix('"').removesuffix('"')
    if f'"{digits}"' != tag.strip() or not digits.isdecimal() or len(digits) > MAX_DIGITS:
        raise Malformed("request.bad_if_match", given=tag[:40])
    return int(digits)


def done(outcome: Outcome, subject: UUID, *, created: bool = False) -> Response[Done]:
    """The answer to a command; a repeated one gets the first answer again, and is marked."""
    return Answer(
        Done(subject, outcome.version, outcome.position),
        status_code=HTTP_201_CREATED if created else HTTP_200_OK,
        headers=steered(outcome),
    )


def steered(outcome: Outcome) -> dict[str, str]:
    """The headers of a command's answer."""
    headers = {"ETag": etag(outcome.version)}
    if outcome.position is not None:
        headers["X-Position"] = str(outcome.position)
    if outcome.repeated:
        headers["Idempotent-Replayed"] = "true"
    return headers


def etag(version: int) -> str:
    return f'"{version}"'
