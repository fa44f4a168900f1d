"""Legal holds as they are now: whoever is about to delete something for ever asks here."""

from uuid import UUID

from domain.hold import HOLD, HOLDS_STREAM, Holds
from infra.runtime import Runtime


async def holds(runtime: Runtime) -> Holds:
    """From the log and not from a read model: a hold that was placed counts at once."""
    return (await runtime.load(HOLD, HOLDS_STREAM)).state


async def on_hold(runtime: Runtime, *subjects: UUID | None) -> UUID | None:
    """The first of these (a file, its record, its project) that is held; None: delete it."""
    standing = (await holds(runtime)).standing
    return next((one for one in subjects if one in standing), None)
