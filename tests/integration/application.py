"""The REST application for tests: it takes longer to make than most of them take."""

from collections.abc import Generator
from contextlib import contextmanager

from argon2 import PasswordHasher

from api.app import bind, create_app
from api.entrance import App
from api.realtime.gateway import Gateway
from infra.nodes import Heart
from infra.passwords import Passwords
from infra.runtime import Runtime

CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))

_idle: list[App] = []


@contextmanager
def unused() -> Generator[App]:
    """One that nobody else uses meanwhile."""
    app = _idle.pop() if _idle else create_app()
    yield app
    _idle.append(app)  # one whose test failed is not used again


@contextmanager
def application(runtime: Runtime, heart: Heart, gateway: Gateway) -> Generator[App]:
    """One that answers from an open runtime."""
    with unused() as app:
        yield bind(app, runtime, heart, gateway, CHEAP)
