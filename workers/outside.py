"""The servers that only jobs ask, looked at beside the work."""

from functools import partial

from infra import smtp
from infra.inspecting import clamav
from infra.runtime import outside
from infra.services import Service
from infra.settings import Settings


def outsiders(settings: Settings) -> list[Service]:
    """Those that are set."""
    found: list[Service] = []
    if settings.smtp_url:
        found.append(outside("smtp", partial(smtp.greet, smtp.smtp_options(settings.smtp_url))))
    if settings.clamav_url:
        found.append(outside("clamav", partial(clamav.ping, settings.clamav_url)))
    return found
