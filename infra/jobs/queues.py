"""The queues, as the settings have them."""

import msgspec

from domain.job_args import QueueName
from infra.settings import Settings


class Queue(msgspec.Struct, frozen=True):
    """Jobs with the same needs. `concurrency` is of one worker process."""

    name: str
    concurrency: int
    retries: int
    per_minute: int = 0  # handed out, to all workers together; 0: no limit
    timeout_s: int = 0  # of its jobs; 0: each kind's own

    @property
    def max_attempts(self) -> int:
        return self.retries + 1


def queues_of(settings: Settings) -> tuple[Queue, ...]:
    """All of them."""
    values: dict[str, int] = msgspec.structs.asdict(settings)
    return tuple(
        Queue(
            name.value,
            concurrency=values[f"{name}_workers"],
            retries=values[f"{name}_retries"],
            per_minute=values[f"{name}_per_minute"],
            timeout_s=values[f"{name}_timeout_s"],
        )
        for name in QueueName
    )
