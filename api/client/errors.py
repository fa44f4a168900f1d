"""What the client raises: everything is a ClientError."""

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """The server said no, or could not be asked."""


class Refused(ClientError):
    """A rule said no; the codes are those of problem documents and of `err` frames."""

    def __init__(
        self,
        code: str,
        detail: Mapping[str, Any] | None = None,
        *,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{code} {dict(detail)}" if detail else code)
        self.code = code
        self.detail: Mapping[str, Any] = detail or {}
        self.status = status  # None: it came over a WebSocket
        self.retry_after = retry_after  # seconds; None: asking again will not help


class NotConnected(ClientError):
    """The server could not be reached, or did not answer in time."""


class Closed(ClientError):
    """The connection is over and the close code says not to come back."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"closed with {code}{f': {reason}' if reason else ''}")
        self.code = code
