"""formula asyncapi: the WebSocket protocol, described."""

from api.commands.output import print_json
from api.realtime.asyncapi import asyncapi as document


def asyncapi() -> None:
    """Print the description of the WebSocket protocol (AsyncAPI 3)."""
    print_json(document())
