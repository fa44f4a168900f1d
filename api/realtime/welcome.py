"""What a connection is told first, whatever its frames go out by, and what it is in again."""

from uuid import UUID

from api.realtime import protocol as p
from api.realtime import session as s
from infra.runtime import Runtime
from projections.projects import projects_of_user
from projections.read import reading


def welcome_frame(
    runtime: Runtime, epoch: str, connection: UUID, user: UUID, re: UUID | None
) -> p.Welcome:
    settings = runtime.settings
    return p.Welcome(
        connection=connection,
        user=user,
        node=runtime.node,
        heartbeat=int(p.PING_S * 1_000),
        limits=p.Limits(
            actions=settings.rate_limit_actions_per_minute,
            motion=settings.rate_limit_motion_per_s,
            frames=settings.rate_limit_frames_per_s,
        ),
        now=runtime.now(),
        epoch=epoch,
        re=re,
    )


async def resumed(runtime: Runtime, epoch: str, user: UUID, hello: p.Hello) -> list[s.Enter]:
    """The rooms that a client asks for at once, those of its projects too where it wants them."""
    same = not hello.epoch or hello.epoch == epoch
    named = [
        s.Enter(one.room, one.after if same else None, one.location, None) for one in hello.resume
    ]
    if not hello.auto:
        return named
    async with reading(runtime) as db:
        projects = await projects_of_user(db, user)
    known = {one.room for one in named}
    others = [room for one in projects if (room := f"project:{one}") not in known]
    return [*named, *(s.Enter(room, None, "", None) for room in others[: p.MAX_ROOMS])]
