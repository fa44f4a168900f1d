"""How much anybody may ask for: requests, attempts to sign in, actions, connections.

Shared by all nodes through Redis; each goes by its own copies while that is away (sharing.py).
"""

import asyncio
import time
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from infra.buckets import Buckets, per_window
from infra.seats import RENEW_S, Seats
from infra.settings import Settings
from infra.sharing import Sharing

ANYWHERE = 10  # times as many attempts at an account as from one address, from all of them

MAILS, MAILS_S = 3, 1_800.0  # to one account; as long as such a link is good


class Attempt(msgspec.Struct, frozen=True):
    """To sign in to an account. `device`: one that has proved that it did so before.

    `familiar`: somebody signed in to the account from that address before.
    """

    account: str
    address: str
    device: str = ""
    familiar: bool = False

    @property
    def known(self) -> bool:
        return self.familiar or bool(self.device)

    @property
    def own(self) -> str:
        return f"limit:login:{self.device or self.address}:{self.account}"

    @property
    def strangers(self) -> str:
        return f"limit:login:{self.account}"


class Limits:
    """What answers with seconds answers 0.0 for: go on; else how long to wait."""

    def __init__(
        self,
        settings: Settings,
        redis: Redis,
        node: UUID,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self._sharing = Sharing(redis, settings.redis_prefix)
        self.buckets = Buckets(self._sharing, clock)
        window_s = settings.rate_limit_window_ms / 1_000
        self._stranger = per_window(settings.rate_limit_max_requests, window_s)
        self._user = per_window(settings.rate_limit_user_max_requests, window_s)
        self._login = per_window(settings.rate_limit_login_attempts, window_s)
        self._account = per_window(settings.rate_limit_login_attempts * ANYWHERE, window_s)
        self._mail = per_window(MAILS if settings.rate_limit_login_attempts else 0, MAILS_S)
        self._action = per_window(settings.rate_limit_actions_per_minute, 60.0)
        most = settings.max_connections_per_address
        self.addresses = Seats(self._sharing, node, "address", most)
        self.users = Seats(self._sharing, node, "user", settings.max_connections_per_user)

    def request(self, address: str, user: UUID | None) -> float:
        """A request: by user where one is known, else by address."""
        if user is None:
            return self.buckets.take(self._stranger, f"limit:request:{address}")
        return self.buckets.take(self._user, _requests_of(user))

    def known(self, name: str) -> float:
        """A request of who has no token, but has signed in before: as many each as an address."""
        return self.buckets.take(self._stranger, f"limit:request:{name}")

    def action(self, user: UUID) -> float:
        """Something that a person does in a room."""
        return self.buckets.take(self._action, f"limit:action:{user}")

    def login(self, attempt: Attempt) -> float:
        """An attempt to sign in: few by one device or address, some more by all strangers.

        These use up nothing of who has signed in before by that device, or from there.
        """
        return self.buckets.take(self._login, attempt.own) or (
            0.0 if attempt.known else self.buckets.take(self._account, attempt.strangers)
        )

    def logged_in(self, attempt: Attempt) -> None:
        """The attempt was right: only wrong ones count."""
        self.buckets.give_back(self._login, attempt.own)
        if not attempt.known:
            self.buckets.give_back(self._account, attempt.strangers)

    def mail(self, account: str) -> float:
        """A link to an account's address; whoever may not have another has one that is good."""
        return self.buckets.take(self._mail, f"limit:mail:{account}")

    async def run(self) -> None:
        """Share what is counted, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sharing.run())
            group.create_task(self._renew())

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            self.addresses.renew()
            self.users.renew()


@lru_cache(10_000)
def _requests_of(user: UUID) -> str:
    return f"limit:request:{user}"


def address_of(client: tuple[str, int] | None) -> str:
    """Whom an address stands for: of IPv6 the /64 that one customer gets."""
    return _address(client[0] if client else "")


@lru_cache(10_000)
def _address(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return host[:100]
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return str(getattr(address, "ipv4_mapped", None) or address)


def lifted(settings: Settings) -> Settings:
    """The same without limits: for measurements, and for tests that are about something else."""
    return msgspec.structs.replace(
        settings,
        rate_limit_max_requests=0,
        rate_limit_user_max_requests=0,
        rate_limit_login_attempts=0,
        rate_limit_actions_per_minute=0,
        rate_limit_motion_per_s=0,
        rate_limit_frames_per_s=0,
        max_connections_per_user=0,
        max_connections_per_address=0,
    )
