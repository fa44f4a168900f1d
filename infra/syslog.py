"""Syslog: lines by RFC 5424, over UDP (5426), TCP with octet counting (6587) or a Unix socket."""

import os
import socket
from datetime import UTC, datetime
from urllib.parse import urlsplit

from infra.shipping import Logged, Send, as_json

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


def syslog(url: str, app: str) -> Send[Logged]:
    """Sends lines there. Raises OSError while nobody takes them."""
    address = urlsplit(url)
    host = socket.gethostname() or "-"
    sender = _Sender(address.scheme, address.hostname or "", address.port or 514, address.path)

    def send(lines: list[Logged]) -> None:
        while lines:  # what is gone is not sent again when the next one fails
            sender.write(framed(lines[0], host, app, os.getpid()))
            del lines[0]

    return send


class _Sender:
    """A socket that is opened when it is needed, and again after it failed."""

    def __init__(self, scheme: str, host: str, port: int, path: str) -> None:
        self._scheme, self._to, self._path = scheme, (host, port), path
        self._socket: socket.socket | None = None

    def write(self, message: bytes) -> None:
        try:
            self._socket = self._socket or self._opened()
            if self._socket.type is socket.SOCK_STREAM:
                self._socket.sendall(b"%d %s" % (len(message), message))
            else:
                self._socket.send(message)
        except OSError:
            if self._socket is not None:
                self._socket.close()
            self._socket = None
            raise

    def _opened(self) -> socket.socket:
        if self._scheme == "tcp":
            return socket.create_connection(self._to, PATIENCE_S)
        if self._scheme == "udp":
            [(family, kind, *_, address), *_] = socket.getaddrinfo(
                *self._to, type=socket.SOCK_DGRAM
            )
            opened = socket.socket(family, kind)
        else:
            opened, address = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), self._path
        opened.settimeout(PATIENCE_S)
        try:
            opened.connect(address)
        except OSError:
            opened.close()
            raise
        return opened
