"""What an index is worth: lists as the API asks for them, of tables that have theirs or none."""

import time
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from uuid import UUID

import msgspec
import psycopg
import uvloop

from bench.child import Sample, answer, given
from bench.load.loops import Latencies
from domain.audit import AuditFilter
from domain.client import ClientStatus
from domain.task import TaskStatus
from domain.user import Role
from infra.db import Connection
from infra.settings import Settings
from projections.audit_list import list_audit
from projections.clients import list_clients
from projections.projects import list_projects, projects_of_user
from projections.tasks import list_tasks
from projections.users import list_users

Query = Callable[[Connection, int], Awaitable[object]]


def _id(number: int) -> UUID:
    return UUID(int=number % 2_000 + 1)


def _word(number: int) -> str:
    return f"c{number % 40_000 + 10_000}"


# Each kind's queries, asked in turn about another record every time.
KINDS: Mapping[str, tuple[Query, ...]] = {
    "indexed": (
        lambda db, n: list_tasks(db, project=_id(n)),
        lambda db, n: list_tasks(db, assignee=_id(n), status=TaskStatus.DONE),
        lambda db, n: list_projects(db, client=_id(n)),
        lambda db, n: list_projects(db, manager=_id(n)),
        lambda db, n: list_users(db, email=f"email {n % 50_000}"),
        lambda db, _: list_users(db, role=Role.AUDITOR),
        lambda db, _: list_clients(db, status=ClientStatus.ARCHIVED),
    ),
    "joined": (
        lambda db, n: list_tasks(db, member=_id(n), status=TaskStatus.DONE),
        lambda db, n: list_projects(db, member=_id(n)),
        lambda db, n: projects_of_user(db, _id(n)),
    ),
    "search": (
        lambda db, n: list_tasks(db, search=_word(n)),
        lambda db, n: list_projects(db, search=_word(n)),
        lambda db, n: list_users(db, search=_word(n)),
    ),
    "audit": (
        lambda db, n: list_audit(db, AuditFilter(actor=_id(n))),
        lambda db, n: list_audit(db, AuditFilter(subject=_id(n))),
        lambda db, n: list_audit(db, AuditFilter(type=f"type {n % 400}")),
        lambda db, n: list_audit(db, AuditFilter(project=_id(n), aggregate="aggregate 7")),
        lambda db, n: list_audit(db, AuditFilter(search=_word(n))),
    ),
}


class Asks(msgspec.Struct, frozen=True):
    """`schema`: where the tables are, with their indexes or with their keys alone."""

    settings: Settings
    schema: str
    kind: str
    seconds: float


async def run(load: Asks) -> Sample:
    """`per_s`: queries a second, all of the kind equally often; `p99`: of each query, ms."""
    queries, asked, latencies = KINDS[load.kind], 0, Latencies(0.0)
    async with await psycopg.AsyncConnection[object].connect(
        load.settings.database_url, autocommit=True
    ) as db:
        await db.execute(f"SET search_path = {load.schema}, public".encode())
        start = time.perf_counter()
        for number in count(1):
            for query in queries:
                due = time.perf_counter()
                await query(db, number)
                latencies.record(due)
            asked += len(queries)
            if time.perf_counter() - start >= load.seconds:
                break
    per_s = asked / (time.perf_counter() - start)
    return Sample({"per_s": per_s, "p99": latencies.percentile_ms(99)})


if __name__ == "__main__":
    answer(uvloop.run(run(given(Asks))))
