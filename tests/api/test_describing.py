"""The description of the API, and what handlers are given, as Litestar makes both of our types."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from litestar.routes import HTTPRoute

from api.app import create_app
from api.entrance import App

Json = dict[str, Any]


@pytest.fixture(scope="module")
def app() -> App:
    return create_app()


@pytest.fixture(scope="module")
def schemas(app: App) -> Json:
    whole: Json = msgspec.json.decode(msgspec.json.encode(app.openapi_schema.to_schema()))
    return whole["components"]["schemas"]


def test_a_tuple_with_bounds_is_an_array_of_its_items(schemas: Json) -> None:
    ids = {"type": "array", "items": {"type": "string", "format": "uuid"}, "maxItems": 100}
    assert schemas["Text"]["properties"]["mentions"] == {**ids, "default": []}
    assert schemas["NewJob"]["properties"]["needs"] == {**ids, "default": []}
    roles = schemas["NewAnnouncement"]["properties"]["roles"]
    assert (roles["items"], roles["maxItems"]) == ({"$ref": "#/components/schemas/Role"}, 20)


def test_what_may_be_nothing_has_its_bounds(schemas: Json) -> None:
    delay = schemas["NewJob"]["properties"]["delay_s"]
    assert (delay["minimum"], delay["maximum"]) == (0, 31_622_400)


def test_nothing_is_of_some_type_or_of_any(schemas: Json) -> None:
    choices = [one["oneOf"] for one in within(schemas) if "oneOf" in one]
    assert choices
    assert [one for one in choices if {} in one] == []


def within(part: object) -> Iterator[Json]:
    """All objects in there, itself included."""
    match part:
        case dict():
            yield part  # pyright: ignore[reportUnknownVariableType]
            for one in part.values():  # pyright: ignore[reportUnknownVariableType]
                yield from within(one)  # pyright: ignore[reportUnknownArgumentType]
        case list():
            for one in part:  # pyright: ignore[reportUnknownVariableType]
                yield from within(one)  # pyright: ignore[reportUnknownArgumentType]
        case _:
            return


def test_what_must_be_given_back_is_taken_last_and_alone(app: App) -> None:
    """Where anything beside or after it is refused, Litestar does not give it back."""
    taken = 0
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for handler, model in route.route_handler_map.values():
            for at, batch in enumerate(model.dependency_batches, 1):
                held = [one.key for one in batch if one.provide.has_async_generator_dependency]
                taken += len(held)
                last = at == len(model.dependency_batches) and len(batch) == 1
                assert last or not held, (route.path, handler, held)
    assert taken
