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


# Each kind's queries by name, asked in turn about another record every time.
KINDS: Mapping[str, Mapping[str, Query]] = {
    "indexed": {
        "tasks of a project": lambda db, n: list_tasks(db, project=_id(n)),
        "done tasks of somebody": lambda db, n: list_tasks(
            db, assignee=_id(n), status=TaskStatus.DONE
        ),
        "projects of a client": lambda db, n: list_projects(db, client=_id(n)),
        "projects of a manager": lambda db, n: list_projects(db, manager=_id(n)),
        "users by e-mail": lambda db, n: list_users(db, email=f"email {n % 50_000}"),
        "users by role": lambda db, _: list_users(db, role=Role.AUDITOR),
        "clients by status": lambda db, _: list_clients(db, status=ClientStatus.ARCHIVED),
    },
    "joined": {
        "done tasks of a member's projects": lambda db, n: list_tasks(
            db, member=_id(n), status=TaskStatus.DONE
        ),
        "projects of a member": lambda db, n: list_projects(db, member=_id(n)),
        "memberships": lambda db, n: projects_of_user(db, _id(n)),
    },
    "search": {
        "tasks by a word": lambda db, n: list_tasks(db, search=_word(n)),
        "projects by a word": lambda db, n: list_projects(db, search=_word(n)),
        "users by a word": lambda db, n: list_users(db, search=_word(n)),
    },
    "audit": {
        "what somebody did": lambda db, n: list_audit(db, AuditFilter(actor=_id(n))),
        "what was done to it": lambda db, n: list_audit(db, AuditFilter(subject=_id(n))),
        "events of a type": lambda db, n: list_audit(db, AuditFilter(type=f"type {n % 400}")),
        "a project's, of a kind": lambda db, n: list_audit(
            db, AuditFilter(project=_id(n), aggregate="aggregate 7")
        ),
        "events by a word": lambda db, n: list_audit(db, AuditFilter(search=_word(n))),
    },
}


class Asks(msgspec.Struct, frozen=True):
    """`schema`: where the tables are, with their indexes or with their keys alone."""

    settings: Settings
    schema: str
    kind: str
    seconds: float


async def run(load: Asks) -> Sample:
    """`per_s`: queries a second, all of the kind equally often; `p99`: of all of them, ms, and
    `<query> p50` …: of each.
    """
    queries, asked = KINDS[load.kind], 0
    latencies, each = Latencies(0.0), {name: Latencies(0.0) for name in queries}
    async with await psycopg.AsyncConnection[object].connect(
        load.settings.database_url, autocommit=True
    ) as db:
        await db.execute(f"SET search_path = {load.schema}, public".encode())
        for query in queries.values():  # the first one plans, and reads what is in no cache
            await query(db, 0)
        start = time.perf_counter()
        for number in count(1):
            for name, query in queries.items():
                due = time.perf_counter()
                await query(db, number)
                took = time.perf_counter()
                latencies.record_span(due, took)
                each[name].record_span(due, took)
            asked += len(queries)
            if time.perf_counter() - start >= load.seconds:
                break
    per_s = asked / (time.perf_counter() - start)
    values = {"per_s": per_s, "p99": latencies.percentile_ms(99)}
    for name, found in each.items():
        values |= found.values(name)
    return Sample(values)


if __name__ == "__main__":
    answer(uvloop.run(run(given(Asks))))
