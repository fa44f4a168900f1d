"""Databases of the tests: copied before they are asked for and dropped behind a test's back.

Postgres makes a checkpoint for each, which the tests would wait for.
"""

import secrets
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infra.embedded import Embedded


class Databases:
    """One copy of each template that was asked for is there beforehand."""

    def __init__(
        self, servers: Embedded, admin: psycopg.Connection, aside: ThreadPoolExecutor
    ) -> None:
        self.servers = servers
        self._admin, self._aside = admin, aside
        self._ahead: dict[str, Future[str]] = {}
        self._dropping: list[Future[None]] = []

    def url(self, name: str) -> str:
        return make_conninfo(self.servers.database_url, dbname=name)

    def copy(self, template: str) -> str:
        """The name of a database that nobody else uses."""
        made = self._ahead.pop(template, None) or self._aside.submit(self._made, template)
        self._ahead[template] = self._aside.submit(self._made, template)
        return made.result()

    def create(self, name: str, template: str) -> None:
        self._aside.submit(self._create, name, template).result()

    def drop(self, name: str) -> None:
        """Soon; whoever is still connected is sent away."""
        self._dropping.append(self._aside.submit(self._drop, name))

    def dropped(self) -> None:
        """Raises what a drop raised."""
        for one in self._dropping:
            one.result()

    def _made(self, template: str) -> str:
        name = f"t_{secrets.token_hex(6)}"
        self._create(name, template)
        return name

    def _create(self, name: str, template: str) -> None:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        self._admin.execute(create.format(sql.Identifier(name), sql.Identifier(template)))

    def _drop(self, name: str) -> None:
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
        self._admin.execute(drop.format(sql.Identifier(name)))


@contextmanager
def databases_of(servers: Embedded) -> Generator[Databases]:
    admin = make_conninfo(servers.database_url, dbname="postgres")
    with (
        psycopg.connect(admin, autocommit=True) as connection,
        ThreadPoolExecutor(1) as aside,
    ):
        databases = Databases(servers, connection, aside)
        yield databases
        databases.dropped()
