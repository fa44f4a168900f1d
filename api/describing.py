"""The description of the API, as OpenAPI: what all routes have in common is said here, once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, get_args

import msgspec
from litestar import Litestar
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    Reference,
    Schema,
    SecurityScheme,
)
from litestar.params import KwargDefinition
from litestar.plugins import OpenAPISchemaPlugin
from litestar.routes import HTTPRoute
from litestar.typing import FieldDefinition

from api.auth import Open
from api.errors import MEDIA_TYPE, TITLES, Problem

# How any request may end that asks for what cannot be done, or at a wrong time.
ENDS = (400, 401, 403, 404, 409, 412, 413, 414, 415, 422, 423, 429, 500, 503)
TEXT, NUMBER = Schema(type=OpenAPIType.STRING), Schema(type=OpenAPIType.INTEGER)
NULL = Schema(type=OpenAPIType.NULL)
HEADERS: Mapping[int, Mapping[str, Schema]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": TEXT},
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": NUMBER},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": NUMBER},
}
FAILURES = {str(status): Reference(f"#/components/responses/{status}") for status in ENDS}


@dataclass
class Described(Operation):
    """A route as it is declared, and how it may fail."""

    def __post_init__(self) -> None:
        self.parameters = [_sent(one) for one in self.parameters or []] or None
        own = {status: _bare(end) for status, end in (self.responses or {}).items()
               if status != "400"}  # fmt: skip
        self.responses = {**FAILURES, **own}  # a 400 in Litestar's shape is never sent


@dataclass
class ForAll(Described):
    """One that needs no token."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.security = []


def _sent(parameter: Parameter | Reference) -> Parameter | Reference:
    """What is left out is not sent as null. Bounds of such: `schema_extra`, Litestar drops them."""
    if isinstance(parameter, Reference) or not isinstance(parameter.schema, Schema):
        return parameter
    kinds = parameter.schema.one_of or []
    if NULL not in kinds:
        return parameter
    said, *others = [kind for kind in kinds if kind != NULL]
    if others or isinstance(said, Reference):
        return replace(parameter, schema=replace(parameter.schema, one_of=[said, *others]))
    outer = {name: value for name, value in vars(parameter.schema).items() if value is not None}
    return replace(parameter, schema=replace(said, **(outer | {"one_of": None})))


def _bare(end: OpenAPIResponse | Reference) -> OpenAPIResponse | Reference:
    """An answer of nothing has no type."""
    if isinstance(end, Reference) or any(
        one.schema != NULL for one in (end.content or {}).values()
    ):
        return end
    return replace(end, content=None)


class Strict(OpenAPISchemaPlugin):
    """Says of what takes no field it does not know that it takes none."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        kind = field_definition.type_
        return (
            not field_definition.is_union
            and field_definition.is_subclass_of(msgspec.Struct)
            and kind.__struct_config__.forbid_unknown_fields
        )

    def to_openapi_schema(
        self,
        field_definition: FieldDefinition,
        schema_creator: Any,  # no name of Litestar's public ones
    ) -> Schema:
        usual = next(
            plugin
            for plugin in schema_creator.plugins
            if not isinstance(plugin, Strict)
            and schema_creator.plugin_supports_field(plugin, field_definition)
        )
        schema = usual.to_openapi_schema(field_definition, schema_creator)
        schema.additional_properties = False
        for field in msgspec.structs.fields(field_definition.type_):
            if _is_from_zero(field):
                schema.properties[field.encode_name].minimum = 0
        return schema


def _is_from_zero(field: msgspec.structs.FieldInfo) -> bool:
    """Or null: Litestar takes 0 for no bound then."""
    told = (one for part in get_args(field.type) for one in getattr(part, "__metadata__", ()))
    return any(isinstance(one, msgspec.Meta) and one.ge == 0 for one in told)


class Tuples(OpenAPISchemaPlugin):
    """Of tuples of any length; Litestar takes the dots of one with bounds for an item."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        inner = field_definition.inner_types
        return field_definition.origin is tuple and inner[-1].annotation is Ellipsis

    def to_openapi_schema(
        self,
        field_definition: FieldDefinition,
        schema_creator: Any,  # no name of Litestar's public ones
    ) -> Schema:
        items = schema_creator.for_field_definition(field_definition.inner_types[0])
        return Schema(type=OpenAPIType.ARRAY, items=items)


class Mappings(OpenAPISchemaPlugin):
    """With what their keys are; Litestar takes any text for one."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        inner = field_definition.inner_types
        return not field_definition.is_union and field_definition.is_mapping and len(inner) == 2

    def to_openapi_schema(
        self,
        field_definition: FieldDefinition,
        schema_creator: Any,  # no name of Litestar's public ones
    ) -> Schema:
        key, value = map(schema_creator.for_field_definition, field_definition.inner_types)
        names = None if key == TEXT else key
        return Schema(type=OpenAPIType.OBJECT, additional_properties=value, property_names=names)


class Bounds(OpenAPISchemaPlugin):
    """Of what may be something else as well; Litestar takes those alone of a whole field."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        is_told = isinstance(field_definition.kwarg_definition, KwargDefinition)
        is_plain = field_definition.annotation in (int, float, str)
        return is_plain and not is_told and field_definition.has_metadata(msgspec.Meta)

    def to_openapi_schema(
        self,
        field_definition: FieldDefinition,
        schema_creator: Any,  # noqa: ARG002, as Litestar calls it
    ) -> Schema:
        said, names = msgspec.json.schema(field_definition.raw), Schema.field_aliases()
        return Schema(**{names.get(name, name): value for name, value in said.items()})


PLUGINS = (Strict(), Tuples(), Mappings(), Bounds())


def describe(app: Litestar) -> None:
    """Each route's description is made so when it is first asked for."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler, _ in route.route_handler_map.values():
                is_public = handler.opt.get("action") is Open.PUBLIC
                handler.operation_class = ForAll if is_public else Described


def _failure(status: int) -> OpenAPIResponse:
    headers = {"X-Request-ID": TEXT, **HEADERS.get(status, {})}
    return OpenAPIResponse(
        description=TITLES[status],
        headers={name: OpenAPIHeader(schema=schema, required=True)
                 for name, schema in headers.items()},
        content={MEDIA_TYPE: OpenAPIMediaType(schema=_problem(status))},
    )  # fmt: skip


def _problem(status: int) -> Schema:
    fields = {field.name: TEXT for field in msgspec.structs.fields(Problem)}
    return Schema(
        type=OpenAPIType.OBJECT,
        properties={**fields, "status": Schema(type=OpenAPIType.INTEGER, const=status)},
        required=list(fields),
    )


OPENAPI = OpenAPIConfig(
    title="Formula",
    version="1",
    description="Project management in which people work together live.",
    path="/schema",
    render_plugins=[JsonRenderPlugin(), YamlRenderPlugin()],  # the pages' scripts are on a CDN
    components=Components(
        responses={str(status): _failure(status) for status in ENDS},
        security_schemes={
            "bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")
        },
    ),
    security=[{"bearer": []}],
)
