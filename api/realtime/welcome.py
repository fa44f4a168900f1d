"""What a connection is told first, whatever its frames go out by."""

from uuid import UUID

from api.realtime import protocol as p
from infra.runtime import Runtime


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
