"""preferences: when each person's digest comes, and by which ways what they have chosen."""

from collections.abc import Sequence
from typing import assert_never
from uuid import UUID

import msgspec

from domain.kernel import Recorded
from domain.notification import Mailed
from domain.preferences import (
    DEFAULTS,
    PREFERENCES,
    Channels,
    ChannelsSet,
    DigestTimeSet,
    Notice,
    PreferencesEvent,
)
from infra.db import Connection
from projections.model import Projection, Rows, Table, Write
from projections.rows import fetch_all

MOST_ZONES = 1_000  # more than there are

TIMES = Table(
    name="preferences",
    columns={
        "user_id": "uuid NOT NULL",
        "digest_hour": "smallint NOT NULL",
        "zone": "text NOT NULL",
    },
    key=("user_id",),
    indexes=("(zone, digest_hour, user_id)",),
)
CHANNELS = Table(
    name="notice_channels",
    columns={
        "user_id": "uuid NOT NULL",
        "notice": "text NOT NULL",
        "in_app": "boolean NOT NULL",
        "email": "text NOT NULL",
    },
    key=("user_id", "notice"),
)


class ChosenRow(msgspec.Struct, frozen=True):
    """What a person has chosen for a kind of notice."""

    user: UUID
    in_app: bool
    email: str


class ZoneRow(msgspec.Struct, frozen=True):
    zone: str


def project(batch: Sequence[Recorded[PreferencesEvent]]) -> list[Write]:
    times, channels = Rows(TIMES), Rows(CHANNELS)
    for recorded in batch:
        event = recorded.event
        match event:
            case DigestTimeSet(user=user, hour=hour, zone=zone):
                times.put(user_id=user, digest_hour=hour, zone=zone)
            case ChannelsSet(user=user, notice=notice, in_app=in_app, email=email):
                channels.put(user_id=user, notice=notice.value, in_app=in_app, email=email.value)
            case _:
                assert_never(event)
    return [*times.writes(), *channels.writes()]


async def channels_of(
    db: Connection, notice: Notice, users: Sequence[UUID]
) -> dict[UUID, Channels]:
    """By which ways it reaches each of them."""
    rows = await fetch_all(
        db,
        ChosenRow,
        'SELECT user_id AS "user", in_app, email FROM notice_channels'
        " WHERE user_id = ANY(%(users)s) AND notice = %(notice)s"
        " ORDER BY user_id LIMIT %(limit)s",
        {"users": list(users), "notice": notice.value, "limit": len(users)},
    )
    chosen = {row.user: Channels(row.in_app, Mailed(row.email)) for row in rows}
    return {user: chosen.get(user, DEFAULTS[notice]) for user in users}


async def zones_of_digests(db: Connection) -> list[str]:
    """Those that anybody has; "": that of the setting TIME_ZONE."""
    rows = await fetch_all(
        db,
        ZoneRow,
        "SELECT DISTINCT zone FROM preferences ORDER BY zone LIMIT %(limit)s",
        {"limit": MOST_ZONES},
    )
    return [row.zone for row in rows]


PROJECTION = Projection(
    name="preferences",
    group="queries",
    version=1,
    tables=(TIMES, CHANNELS),
    events=PREFERENCES.events,
    project=project,
)
