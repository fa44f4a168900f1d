"""Writes a sample for each new event; one that is there stays as it is, for ever."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid5

import msgspec
from msgspec import inspect

from domain.kernel import Event
from domain.registry import EVENTS, MOTION_EVENTS
from infra.eventstore.codec import encode

FOLDER = Path(__file__).parent / "events"
SPACE = UUID("0d7c3b6e-6f0b-5c8e-9a53-3f1f4f2f7a10")
TEXTS = {
    "room": f"project:{uuid5(SPACE, 'project')}",
    "email": "ann@example.org",
    "status": "at lunch",
}

S = TypeVar("S", bound=msgspec.Struct)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for tag, event in {**EVENTS, **MOTION_EVENTS}.items():
        path = FOLDER / f"{tag}.json"
        if not path.exists():
            path.write_bytes(written(sample(event)))


def written(event: Event) -> bytes:
    """The stored bytes, laid out for people."""
    _, state = encode(event)
    return msgspec.json.format(state, indent=2) + b"\n"


def sample(struct: type[S]) -> S:
    """Every field is given, so that each is seen in the file."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return struct(**{field.name: _value(field.name, field.type) for field in info.fields})


SIMPLE: dict[type[inspect.Type], Any] = {
    inspect.IntType: 30_000,
    inspect.FloatType: 0.875,
    inspect.BoolType: True,
    inspect.DateTimeType: datetime(2030, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
    inspect.DateType: date(2030, 1, 2),
    inspect.RawType: msgspec.Raw(b'{"x":1.5,"y":-2,"in":["a",null]}'),
}


def _value(name: str, kind: inspect.Type) -> Any:
    match kind:
        case inspect.StrType():
            return TEXTS.get(name, f"{name}, été ✓")
        case inspect.UUIDType():
            return uuid5(SPACE, name)
        case inspect.EnumType(cls=enum):
            return list(enum)[-1]
        case inspect.LiteralType(values=values):
            return values[-1]
        case inspect.UnionType(types=types):
            return _value(name, next(t for t in types if not isinstance(t, inspect.NoneType)))
        case inspect.VarTupleType(item_type=item):
            return (_value(name, item), _value(f"{name} 2", item))
        case inspect.DictType(key_type=key, value_type=value):
            return {_value("name", key): _value("text", value)}
        case inspect.StructType(cls=struct):
            return sample(struct)
        case _:
            return SIMPLE[type(kind)]


if __name__ == "__main__":
    main()
