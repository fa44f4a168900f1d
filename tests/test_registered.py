"""What is written but in no registry would never run: walk the packages and compare."""

from collections.abc import Collection, Iterator
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import msgspec
import pytest

from domain.kernel import Decider
from domain.registry import DECIDERS, EVENTS, MOTION_EVENTS, tag_of
from projections.model import Projection
from projections.registry import PROJECTIONS
from workers.model import Job
from workers.registry import JOBS


class Registry(msgspec.Struct, frozen=True):
    """All values of `kind` found in `package` belong in `registered`."""

    package: str
    kind: type[Any]
    registered: Collection[Any]


REGISTRIES = [
    Registry("domain", Decider, DECIDERS),
    Registry("projections", Projection, PROJECTIONS),
    Registry("workers", Job, JOBS),
]


def values(package: str, kind: type[Any]) -> Iterator[tuple[str, Any]]:
    """(where, value) of every module-level value of the kind; an imported one shows again."""
    for module in walk_packages(import_module(package).__path__, f"{package}."):
        if not module.name.endswith(".__main__"):
            for name, value in vars(import_module(module.name)).items():
                if isinstance(value, kind):
                    yield f"{module.name}.{name}", value


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.package)
def test_whatever_is_written_is_registered(registry: Registry) -> None:
    found = list(values(registry.package, registry.kind))
    missing = [where for where, value in found if not is_in(value, registry.registered)]
    assert missing == []
    assert all(is_in(one, [value for _, value in found]) for one in registry.registered)


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.package)
def test_names_in_a_registry_are_unique(registry: Registry) -> None:
    names = [one.name for one in registry.registered]
    assert len(names) == len(set(names))


def test_each_tag_is_one_event_of_one_aggregate() -> None:
    durable = [event for decider in DECIDERS for event in decider.events]
    assert len(EVENTS) == len(durable)
    assert not EVENTS.keys() & MOTION_EVENTS.keys()
    for decider in DECIDERS:
        assert {tag_of(event).split(".")[0] for event in decider.events} == {decider.name}


def is_in(value: object, registered: Collection[object]) -> bool:
    """By identity: two deciders of equal parts would still be two."""
    return any(value is one for one in registered)
