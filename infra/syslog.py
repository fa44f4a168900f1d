"""Syslog: lines by RFC 5424, over UDP (5426), TCP with octet counting (6587) or a Unix socket."""

import os
import socket
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from infra.shipping import Logged, as_json

FACILITY = 16  # local0
SEVERITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
MOST_BYTES = 8_192  # of a line: a datagram must hold it, and receivers cut longer ones
PATIENCE_S = 5.0
BOM = "\ufeff"  # says that the text is UTF-8


def framed(line: Logged, host: str, app: str, pid: int) -> bytes:
    """The message, whose text is JSON; its id is the event's name where that is a word."""
    level, event = str(line.values.get("level")), str(line.values.get("event"))
    priority = FACILITY * 8 + SEVERITIES.get(level, SEVERITIES["info"])
    name = event if _is_word(event) else "-"
    at = datetime.fromtimestamp(line.at / 1e9, UTC).isoformat(timespec="microseconds")
    head = f"<{priority}>1 {at} {host} {app} {pid} {name} - {BOM}"
    message = (head + as_json(line.values)).encode()
    return message[:MOST_BYTES].decode(errors="ignore").encode()


def _is_word(text: str) -> bool:
    return 0 < len(text) <= 32 and all("!" <= one <= "~" for one in text)


class Syslog:
    """Sends lines there. Raises OSError while nobody takes them.

    The socket is opened when it is needed, and again after it failed.
    """

    def __init__(self, url: str, app: str) -> None:
        self._url, self._app = urlsplit(url), app
        self._host = socket.gethostname() or "-"
        self._socket: socket.socket | None = None

    def __call__(self, lines: list[Logged]) -> None:
        while lines:  # what is gone is not sent again when the next one fails
            self._write(framed(lines[0], self._host, self._app, os.getpid()))
            del lines[0]

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _write(self, message: bytes) -> None:
        try:
            self._socket = self._socket or self._opened()
            if self._socket.type is socket.SOCK_STREAM:
                self._socket.sendall(b"%d %s" % (len(message), message))
            else:
                self._socket.send(message)
        except OSError:
            self.close()
            raise

    def _opened(self) -> socket.socket:
        url = self._url
        if url.scheme == "unix":
            return _connected(socket.AF_UNIX, url.path)
        host, port = url.hostname or "", url.port or 0
        if url.scheme == "tcp":
            return socket.create_connection((host, port), PATIENCE_S)
        [(family, *_, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        return _connected(family, address)


def _connected(family: int, address: Any) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_DGRAM)
    opened.settimeout(PATIENCE_S)
    try:
        opened.connect(address)
    except OSError:
        opened.close()
        raise
    return opened
