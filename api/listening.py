"""The port that the API listens on."""

import socket

from infra.settings import Settings

BACKLOG = 2_048  # connections that wait to be accepted: a storm of clients comes back at once
AT_ONCE = 8  # of them are accepted in a turn of the loop


def listen(settings: Settings) -> socket.socket:
    """The listening socket. Raises OSError that says what to do when the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        where = f"{settings.host}:{settings.port}"
        raise OSError(f"cannot listen on {where} ({error.strerror}): set PORT") from error
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def several(listener: socket.socket) -> list[socket.socket]:
    """The same socket over and over: of each, uvloop accepts one connection in a turn of its loop.

    A loop with much to do has few turns, and who comes then would wait for seconds, unread.
    """
    return [listener, *(listener.dup() for _ in range(AT_ONCE - 1))]
