"""Whose weekly reports are due: managers who want them, of projects in which something was done.

One query over tables of several read models of the group `queries`.
"""

from uuid import UUID

import msgspec

from domain.notification import Mailed
from domain.preferences import DEFAULTS, Notice
from infra.db import Connection
from projections.rows import FIRST_ID, fetch_all

START = (FIRST_ID, FIRST_ID)
DUE = """
SELECT m.project, m.user_id AS manager
FROM project_members m JOIN users u ON u.id = m.user_id
LEFT JOIN notice_channels c ON c.user_id = m.user_id AND c.notice = %(notice)s
WHERE (m.project, m.user_id) > (%(project)s, %(manager)s)
    AND m.role = 'manager' AND u.status = 'active'
    AND (coalesce(c.in_app, %(in_app)s) OR coalesce(c.email, %(email)s) <> %(never)s)
    AND EXISTS (
        SELECT FROM activity a
        WHERE a.project = m.project AND a.position > %(after)s AND a.position <= %(upto)s
    )
ORDER BY m.project, m.user_id LIMIT %(limit)s
"""


class DueReport(msgspec.Struct, frozen=True):
    project: UUID
    manager: UUID

    @property
    def key(self) -> tuple[UUID, UUID]:
        return self.project, self.manager


async def due_reports(
    db: Connection, after: int, upto: int, last: tuple[UUID, UUID] = START, limit: int = 50
) -> list[DueReport]:
    """Of what was done after one position, up to another; `last`: the key to go on after."""
    usual = DEFAULTS[Notice.WEEKLY_REPORT]
    project, manager = last
    return await fetch_all(
        db,
        DueReport,
        DUE,
        {
            "notice": Notice.WEEKLY_REPORT.value,
            "in_app": usual.in_app,
            "email": usual.email.value,
            "never": Mailed.NEVER.value,
            "project": project,
            "manager": manager,
            "after": after,
            "upto": upto,
            "limit": limit,
        },
    )
