"""All projections, by group: `live` pushes, `queries`, `audit`, `analytics` only answer."""

from typing import Any

from projections import (
    activity,
    analytics_flow,
    analytics_heat,
    analytics_history,
    analytics_locks,
    audit,
    clients,
    digests,
    documents,
    files,
    locks,
    members,
    motion,
    notifications,
    preferences,
    projects,
    reactions,
    receipts,
    rooms,
    tasks,
    timeline,
    users,
)
from projections.model import Projection

PROJECTIONS: tuple[Projection[Any], ...] = (
    members.PROJECTION,
    locks.PROJECTION,
    receipts.PROJECTION,
    rooms.PROJECTION,
    motion.PROJECTION,
    users.PROJECTION,
    clients.PROJECTION,
    projects.PROJECTION,
    tasks.PROJECTION,
    reactions.PROJECTION,
    documents.PROJECTION,
    files.PROJECTION,
    activity.PROJECTION,
    notifications.PROJECTION,
    preferences.PROJECTION,
    digests.PROJECTION,
    audit.PROJECTION,
    timeline.PROJECTION,
    analytics_history.PROJECTION,
    analytics_flow.PROJECTION,
    analytics_heat.PROJECTION,
    analytics_locks.PROJECTION,
)
