"""One trace from a request, or a frame, through the log and the projector to rooms and jobs."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from infra import tracing
from infra.tracing import Span
from tests.infra.until import until
from tests.integration.conftest import Api, Place
from tests.integration.sockets import Live, pair
from tests.workers.office import at_work

pytestmark = pytest.mark.services

PARENT = 0xB7AD6B7169203331


@pytest.fixture
def spans() -> Iterator[list[Span]]:
    """Of the traces whose callers want them: of no others."""
    made: list[Span] = []
    tracing.record(made.append, 0.0)
    yield made
    tracing.record(None)


def traceparent(trace: UUID, flags: str = "01") -> str:
    return f"00-{trace.hex}-{PARENT:016x}-{flags}"


def tree(spans: list[Span]) -> set[tuple[str, str]]:
    """The name of each span, and its parent's."""
    names = {span.at.span: span.name for span in spans} | {PARENT: "the caller"}
    return {(span.name, names[span.parent]) for span in spans}


async def test_a_request_s_trace_goes_on_to_its_job(
    api: Api, place: Place, spans: list[Span]
) -> None:
    trace = uuid4()
    body = {"body": "Look", "mentions": [place.boss.id]}
    path = f"/tasks/{place.task}/comments"
    async with at_work(api.runtime):
        await place.ann.do("POST", path, body)
        said = await place.ann("POST", path, body, traceparent=traceparent(trace))
        await until(lambda: {"send_notification", "project audit"} <= {one.name for one in spans})
    assert {span.at.id for span in spans} == {trace}
    request = "POST /api/v1/tasks/{task}/comments"
    assert tree(spans) >= {
        (request, "the caller"),
        ("add_comment", request),
        ("commit", "add_comment"),
        ("project live", "add_comment"),
        ("project audit", "add_comment"),
        ("job notify_mentioned", "add_comment"),
        ("send_notification", "job notify_mentioned"),
        ("commit", "send_notification"),
    }
    [served] = [span for span in spans if span.name == request]
    assert served.attributes["http.response.status_code"] == said.status_code == 201


async def test_a_frame_s_trace_goes_on_to_the_room(live: Live, spans: list[Span]) -> None:
    one, two, room = await pair(live)
    trace = uuid4()
    await one.ask("act", room=room, kind="wave")
    await one.ask("act", room=room, kind="wave", traceparent=traceparent(trace))
    await two.event("activity.recorded")
    await until(lambda: "push project" in {span.name for span in spans})
    assert {span.at.id for span in spans} == {trace}
    assert tree(spans) >= {
        ("ws Run", "the caller"),
        ("record_activity", "ws Run"),
        ("commit", "record_activity"),
        ("project live", "record_activity"),
        ("push project", "record_activity"),
    }


@pytest.mark.parametrize("flags", ["00", "01"])
async def test_events_are_of_the_caller_s_trace_also_where_nobody_collects_it(
    api: Api, place: Place, flags: str
) -> None:
    trace, request = uuid4(), uuid4()
    said = await place.ann(
        "PATCH",
        f"/tasks/{place.task}",
        {"title": "Drawn"},
        traceparent=traceparent(trace, flags),
        X_Request_ID=str(request),
    )
    assert said.headers["X-Request-ID"] == str(request)
    stored = (await api.runtime.store.read_stream(UUID(place.task)))[-1]
    assert (stored.meta.correlation_id, stored.meta.span) == (trace, None)


async def test_without_a_caller_s_trace_there_is_a_new_one(api: Api, place: Place) -> None:
    said = await place.ann("PATCH", f"/tasks/{place.task}", {"title": "Drawn"}, traceparent="x")
    stored = (await api.runtime.store.read_stream(UUID(place.task)))[-1]
    assert stored.meta.correlation_id == UUID(said.headers["X-Request-ID"])
    registered = (await api.runtime.store.read_stream(UUID(place.ann.id)))[0]
    assert registered.meta.trace == registered.meta.command_id, "nobody asked for it"
