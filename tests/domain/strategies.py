"""Commands and events of any decider, built from their types: few ids, so that they meet."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints
from uuid import UUID

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from domain.kernel import Command, Decider, Event

START = datetime(2030, 1, 1, tzinfo=UTC)
IDS = [UUID(int=number) for number in range(1, 4)]
TEXTS = ["", " a ", "b", "ann@x.io", "bob@x.io", "ops", f"project:{IDS[0]}", "\x00", "x" * 201]
NUMBERS = [-1, 0, 1, 2, 3, 5_000, 30_000, 300_001]  # versions and milliseconds
FIGURES = [-1.0, 0.0, 0.62, 0.7, 0.85, 1.0]
TIMES = [START + timedelta(seconds=seconds) for seconds in (0, 1, 20, 40)]
DAYS = [date(2030, 1, 1), date(2030, 2, 1)]
RAWS = [msgspec.Raw(data) for data in (b"{}", b'{"x":1}', b"[", rb'"\u0000"', b'"\xff"')]

SIMPLE: dict[type[inspect.Type], st.SearchStrategy[Any]] = {
    inspect.StrType: st.sampled_from(TEXTS) | st.text(max_size=5),
    inspect.UUIDType: st.sampled_from(IDS),
    inspect.IntType: st.sampled_from(NUMBERS),
    inspect.FloatType: st.sampled_from(FIGURES),
    inspect.BoolType: st.booleans(),
    inspect.DateTimeType: st.sampled_from(TIMES),
    inspect.DateType: st.sampled_from(DAYS),
    inspect.RawType: st.sampled_from(RAWS),
    inspect.NoneType: st.none(),
}

T = TypeVar("T", bound=msgspec.Struct)


def commands(decider: Decider[Any, Any, Any]) -> st.SearchStrategy[Command]:
    """Any command that its `decide` takes."""
    hint = get_type_hints(decider.decide)["command"]
    return st.one_of([instances(command) for command in get_args(hint) or (hint,)])


def events(decider: Decider[Any, Any, Any]) -> st.SearchStrategy[Event]:
    """Any event that its `evolve` takes."""
    return st.one_of([instances(event) for event in decider.events])


@cache
def instances(struct: type[T]) -> st.SearchStrategy[T]:
    """Any value of the Struct; fields that have a default may be left to it."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    required = {field.name: _values(field.type) for field in info.fields if field.required}
    optional = {field.name: _values(field.type) for field in info.fields if not field.required}
    fields = st.fixed_dictionaries(required, optional=optional)
    return fields.map(lambda values: struct(**values))


def _values(kind: inspect.Type) -> st.SearchStrategy[Any]:
    match kind:
        case inspect.EnumType(cls=enum):
            return st.sampled_from(enum)
        case inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case inspect.UnionType(types=types):
            return st.one_of([_values(one) for one in types])
        case inspect.VarTupleType(item_type=item):
            return st.lists(_values(item), max_size=3).map(tuple)
        case inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(_values(key), _values(value), max_size=3)
        case inspect.StructType(cls=struct):
            return instances(struct)
        case _:
            return SIMPLE[type(kind)]
