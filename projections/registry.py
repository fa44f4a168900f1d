"""All projections, by group: `live` pushes, `queries` and `audit` only answer."""

from typing import Any

from projections import (
    activity,
    audit,
    clients,
    locks,
    members,
    motion,
    notifications,
    projects,
    rooms,
    tasks,
    users,
)
from projections.model import Projection

PROJECTIONS: tuple[Projection[Any], ...] = (
    members.PROJECTION,
    locks.PROJECTION,
    rooms.PROJECTION,
    motion.PROJECTION,
    users.PROJECTION,
    clients.PROJECTION,
    projects.PROJECTION,
    tasks.PROJECTION,
    activity.PROJECTION,
    notifications.PROJECTION,
    audit.PROJECTION,
)
