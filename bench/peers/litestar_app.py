"""Litestar alone, on Formula's server: it answers what is told of a file, and asks nobody."""

import sys
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from litestar import Litestar, Response, get

from api.listening import listen
from api.serving import Server, config
from infra.log import configure_logging
from infra.process import run
from infra.settings import Settings, load_settings
from projections.files import FileRow

PATH = "/metadata"
ID = UUID("01985a5e-7a3c-7b1e-8f7a-6f1d2c3b4a59")
AT = datetime(2030, 1, 31, 12, 30, 30, 123_456, UTC)
TOLD = msgspec.json.encode(
    FileRow(
        id=ID,
        project=ID,
        number=1,
        name="a.jpg",
        content_type="image/jpeg",
        bytes=10_000,
        sha256="0" * 64,
        created_at=AT,
        created_by=ID,
        changed_at=AT,
        changed_by=ID,
        deleted_at=None,
        purged=False,
        version=1,
        position=300,
        verdict=None,
        reason="",
        renditions=[],
        failed="",
    )
)


@get(PATH)
async def metadata() -> Response[bytes]:
    return Response(TOLD, media_type="application/json", headers={"ETag": '"1"'})


async def serve(settings: Settings) -> None:
    app = Litestar([metadata], logging_config=None, openapi_config=None)
    with listen(settings) as listener:
        await Server(config(app, settings)).serve(sockets=[listener])


def main() -> int:
    settings = load_settings()
    configure_logging(settings)
    return run(settings, serve)


if __name__ == "__main__":
    sys.exit(main())
