"""Limits that several nodes share, over a real Valkey and without one."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec
import pytest
from redis.asyncio import Redis

from infra import buckets, sharing
from infra.buckets import Buckets, Rate
from infra.folder import free_port
from infra.limits import Attempt, Limits, address_of
from infra.runtime import open_redis
from infra.settings import Settings
from infra.sharing import Sharing

ANN, BOB = UUID(int=1), UUID(int=2)
A, B = UUID(int=11), UUID(int=12)  # nodes
WAIT_S = 10.0


@asynccontextmanager
async def node(settings: Settings, name: UUID) -> AsyncGenerator[Limits]:
    redis = open_redis(settings)
    limits = Limits(settings, redis, name)
    running = asyncio.create_task(limits.run())
    try:
        yield limits
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await redis.aclose()


async def until(condition: Callable[[], object], every_s: float = 0.005) -> None:
    """What the nodes tell each other has arrived. Here, since limits are of one event loop."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110, nothing says when the other node has heard
            await asyncio.sleep(every_s)


@pytest.fixture
def limited(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings,
        rate_limit_actions_per_minute=10,
        rate_limit_login_attempts=3,
        max_connections_per_user=3,
    )


@pytest.fixture
async def pair(limited: Settings) -> AsyncIterator[tuple[Limits, Limits]]:
    async with node(limited, A) as one, node(limited, B) as two:
        yield one, two


def spent(limits: Limits, user: UUID, tries: int) -> int:
    return sum(limits.action(user) == 0.0 for _ in range(tries))


async def test_what_is_spent_on_one_node_is_not_there_on_the_other(
    pair: tuple[Limits, Limits],
) -> None:
    one, two = pair
    assert spent(one, ANN, 20) == 10
    done = 0

    def refused() -> bool:
        nonlocal done
        wait = two.action(ANN)
        done += not wait
        return wait > 0

    await until(refused, every_s=0.2)  # four exchanges
    assert done < 10, "it heard before its own burst was over"
    assert spent(two, BOB, 20) == 10, "another person's bucket is another"


async def test_what_all_nodes_let_through_at_once_is_owed(pair: tuple[Limits, Limits]) -> None:
    one, two = pair
    assert spent(one, ANN, 20) + spent(two, ANN, 20) == 20  # a burst for each node, at most
    await until(lambda: one.action(ANN) > 20 or two.action(ANN) > 20)  # overdrawn, not only empty


async def test_without_redis_each_node_has_the_same_limit_of_its_own(limited: Settings) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}"
    async with node(msgspec.structs.replace(limited, redis_url=nowhere), A) as alone:
        assert spent(alone, ANN, 50) == 10
        assert alone.action(ANN) > 0


async def test_a_redis_that_has_forgotten_frees_nobody_who_is_known(
    limited: Settings, redis: Redis
) -> None:
    async with node(limited, A) as one, node(limited, B) as two:
        assert spent(one, ANN, 20) == 10
        await until(lambda: two.action(ANN) > 0)
        assert await redis.delete(f"{limited.redis_prefix}limit:action:{ANN}") == 1
        assert one.action(ANN) > 0
        assert two.action(ANN) > 0


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    client = open_redis(settings)
    yield client
    await client.aclose()


async def test_only_wrong_attempts_to_sign_in_count(pair: tuple[Limits, Limits]) -> None:
    one, _ = pair
    for _ in range(20):
        assert one.login(Attempt("ann", "192.0.2.1")) == 0.0
        one.logged_in(Attempt("ann", "192.0.2.1"))
    waits = [one.login(Attempt("ann", "192.0.2.1")) > 0 for _ in range(4)]
    assert waits == [False, False, False, True]
    assert one.login(Attempt("ann", "192.0.2.2")) == 0.0, "elsewhere she may still try"
    assert one.login(Attempt("bob", "192.0.2.1")) == 0.0


async def test_an_account_is_guarded_against_many_addresses(pair: tuple[Limits, Limits]) -> None:
    one, _ = pair
    tried = sum(one.login(Attempt("ann", f"192.0.2.{host}")) == 0.0 for host in range(200))
    assert tried == 30


async def test_strangers_use_up_nothing_of_who_is_known(pair: tuple[Limits, Limits]) -> None:
    one, _ = pair
    while not one.login(Attempt("ann", f"192.0.2.{one.clock()}")):
        pass
    assert one.login(Attempt("ann", "198.51.100.1")) > 0, "an attacker, wherever"
    home = Attempt("ann", "203.0.113.1", familiar=True)
    phone = Attempt("ann", "198.51.100.1", device="7")
    for known in (home, phone):
        waits = [one.login(known) > 0 for _ in range(4)]
        assert waits == [False, False, False, True], "and no more than anybody"


async def test_seats_are_counted_on_all_nodes_and_given_up(pair: tuple[Limits, Limits]) -> None:
    one, two = pair
    taken = [one.users.take("ann") for _ in range(3)]
    assert all(taken)
    assert one.users.take("ann") is None
    await until(lambda: taken_and_given_back(two) is None)
    assert two.users.take("bob") is not None
    for give_up in taken:
        assert give_up is not None
        give_up()
    await until(lambda: two.users.take("ann") is not None)


def taken_and_given_back(limits: Limits) -> object:
    seat = limits.users.take("ann")
    if seat is not None:
        seat()
    return seat


async def test_a_node_that_died_gives_its_seats_up(limited: Settings, redis: Redis) -> None:
    async with node(limited, A) as one, node(limited, B) as two:
        assert all(one.users.take("ann") for _ in range(3))
        await until(lambda: taken_and_given_back(two) is None)
        key = f"{limited.redis_prefix}seats:user:ann"
        assert await redis.hget(key, str(A)) is not None
        await redis.hset(key, str(A), "3:1")  # as its lease is when it has run out
        await until(lambda: two.users.take("ann") is not None)


async def test_a_node_keeps_a_bounded_number_of_buckets(
    limited: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "COPIES", 100)
    async with node(limited, A) as one:
        for number in range(1_000):
            one.action(UUID(int=number))
        assert len(one.buckets) == 100


async def test_no_more_than_so_many_wait_to_be_told_and_nothing_spent_is_forgotten(
    settings: Settings, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "MOST", 3)
    shared = Sharing(redis, settings.redis_prefix)
    copies, rate = Buckets(shared, lambda: 0.0), Rate(burst=100.0, per_s=0.001)
    for number in (*range(10), 0, 9):
        copies.take(rate, f"b{number}")
    assert len(shared) == 3, "while nobody listens"
    telling = asyncio.create_task(shared.run())
    await until(lambda: not len(shared))
    copies.take(rate, "b9")
    key = f"{settings.redis_prefix}b9"
    async with asyncio.timeout(WAIT_S):
        while (left := await redis.hget(key, "left")) is None:  # noqa: ASYNC110, as above
            await asyncio.sleep(0.005)
    assert float(left) == pytest.approx(97.0, abs=0.1), "all three, at once"
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)


@pytest.mark.parametrize(
    ("host", "whose"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("nonsense", "nonsense"),
    ],
)
def test_an_address_stands_for_whom_it_was_given_to(host: str, whose: str) -> None:
    assert address_of((host, 1)) == whose
    assert address_of(None) == ""
