"""Syslog: to receivers that read it strictly, and to a real rsyslogd."""

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from infra.folder import free_port
from infra.shipping import Logged
from infra.syslog import MOST_BYTES, Syslog
from tests.debian import program
from tests.infra.receivers import Message, bound, counted, parsed
from tests.infra.until import wait_until

AT = 1_893_456_000_000_001_000  # 2030-01-01, and a microsecond
LINES = [
    Logged(AT, {"event": "listening", "level": "info", "text": "Zoë\nand ☃"}),
    Logged(AT, {"event": "two words", "level": "error"}),
    Logged(AT, {"event": "x" * 33, "level": "debug"}),
]


Open = Callable[[str], Syslog]


@pytest.fixture
def syslog() -> Iterator[Open]:
    with ExitStack() as stack:
        yield lambda url: stack.enter_context(closing(Syslog(url, "formula-api")))


def check(messages: list[Message]) -> None:
    first, second, third = messages
    assert (first.facility, first.severity, first.app) == (16, 6, "formula-api")
    assert first.id == "listening"
    assert first.values == LINES[0].values
    assert (second.severity, second.id) == (3, "-")
    assert (third.severity, third.id) == (7, "-")


def test_datagrams_over_udp(syslog: Open) -> None:
    with bound(socket.SOCK_DGRAM) as receiver:
        port = receiver.getsockname()[1]
        syslog(f"udp://127.0.0.1:{port}")(list(LINES))
        check([parsed(receiver.recv(65_536)) for _ in LINES])


def test_datagrams_to_a_unix_socket(syslog: Open, tmp_path: Path) -> None:
    path = f"{tmp_path}/log"
    with bound(socket.SOCK_DGRAM, path) as receiver:
        syslog(f"unix://{path}")(list(LINES))
        check([parsed(receiver.recv(65_536)) for _ in LINES])


def test_counted_octets_over_tcp(syslog: Open) -> None:
    with bound(socket.SOCK_STREAM) as listener:
        listener.listen()
        send = syslog(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        send(list(LINES))
        received = b""
        connection, _ = listener.accept()
        with connection:
            while len(counted(received)) < len(LINES):
                received += connection.recv(65_536)
        check([parsed(message) for message in counted(received)])


def test_a_line_that_is_too_long_is_cut_between_characters(syslog: Open) -> None:
    with bound(socket.SOCK_DGRAM) as receiver:
        line = Logged(AT, {"event": "long", "level": "info", "text": "☃" * 9_000})
        syslog(f"udp://127.0.0.1:{receiver.getsockname()[1]}")([line])
        data = receiver.recv(65_536)
    assert MOST_BYTES - 3 <= len(data) <= MOST_BYTES
    assert parsed(data).text.endswith("☃")


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:{}", "unix:///nowhere/{}"])
def test_a_receiver_that_is_away_is_said_and_nothing_is_taken_out(syslog: Open, url: str) -> None:
    lines = list(LINES)
    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        syslog(url.format(free_port()))(lines)
    assert lines == LINES


def test_a_receiver_that_comes_back_is_connected_to_anew(syslog: Open) -> None:
    port = free_port()
    send = syslog(f"tcp://127.0.0.1:{port}")
    lines = list(LINES)
    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        send(lines)
    with socket.create_server(("127.0.0.1", port)) as listener:
        send(lines)
        connection, _ = listener.accept()
        with connection:
            assert parsed(counted(connection.recv(65_536))[0]).id == "listening"
    assert lines == []


CONFIGURATION = """
global(workDirectory="{folder}" parser.permitSlashInProgramName="on")
module(load="imudp")
module(load="imtcp")
module(load="imuxsock" SysSock.Use="off")
template(name="seen" type="string"
  string="%pri% %protocol-version% %app-name% %procid% %msgid% %msg%\\n")
input(type="imudp" address="127.0.0.1" port="{port}")
input(type="imtcp" address="127.0.0.1" port="{port}")
input(type="imuxsock" socket="{folder}/log" UseSpecialParser="off")
action(type="omfile" file="{folder}/seen" template="seen")
"""


@pytest.mark.syslog
@pytest.mark.timeout(400)
@pytest.mark.parametrize("way", ["udp", "tcp", "unix"])
def test_rsyslogd_reads_it(syslog: Open, tmp_path: Path, way: str) -> None:
    path = program("rsyslogd", 300.0, "rsyslog")
    if path is None:
        pytest.skip("rsyslogd is missing and cannot be installed: apt-get install rsyslog")
    port, seen = free_port(), tmp_path / "seen"
    (tmp_path / "conf").write_text(CONFIGURATION.format(folder=tmp_path, port=port))
    arguments = [path, "-n", "-f", str(tmp_path / "conf"), "-i", str(tmp_path / "pid")]
    running = subprocess.Popen(arguments)
    url = f"unix://{tmp_path}/log" if way == "unix" else f"{way}://127.0.0.1:{port}"
    try:
        wait_until((tmp_path / "log").exists)
        wait_until(_sent(syslog(url)), 30)
        wait_until(lambda: seen.exists() and len(_read(seen)) >= len(LINES))
        first, second, _ = _read(seen)[:3]
    finally:
        running.terminate()
        running.wait(20)
    assert first[:5] == ["134", "1", "formula-api", str(os.getpid()), "listening"]
    assert json.loads(first[5].removeprefix("\ufeff")) == LINES[0].values
    assert (second[0], second[4]) == ("131", "-")


def _sent(send: Syslog) -> Callable[[], bool]:
    """Once somebody listens; over UDP that is known from the answer to the one before."""
    lines = list(LINES)

    def sent() -> bool:
        try:
            send(lines)
        except OSError:
            return False
        return True

    return sent


def _read(seen: Path) -> list[list[str]]:
    return [line.split(" ", 5) for line in seen.read_text().splitlines()]
