"""Webhooks arrive signed, and go nowhere that only we can reach."""

import asyncio
import hmac
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from infra import tracing, webhooks
from infra.settings import Settings, SettingsError
from infra.webhooks import NAT64, NotDelivered, deliver, hook_of, is_public, resolve, signature
from tests.tls import ELSEWHERE, Authority

AT = datetime(2030, 1, 1, tzinfo=UTC)
BODY = b'{"event":"fired"}'
SECRET = "a secret that both know"


class Receiver(msgspec.Struct):
    """An HTTP server that keeps what it gets, and answers as it is told."""

    port: int = 0
    answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n"
    requests: list[tuple[str, dict[str, str], bytes]] = []
    hangs: bool = False

    handling: set[asyncio.Task[Any]] = set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self.handling.add(task)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (one.partition(": ") for one in head[1:])
        }
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append((head[0], headers, body))
        if self.hangs:
            await reader.read()  # until they give up
        else:
            writer.write(self.answer)
            await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None, **options: Any) -> AsyncGenerator[Receiver]:
    receiver = Receiver(**options)
    server = await asyncio.start_server(receiver, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    yield receiver
    server.close()
    await asyncio.gather(*receiver.handling)


def settings(url: str, *, private: bool = True) -> Settings:
    return Settings(
        alert_webhook_url=url, alert_webhook_secret=SECRET, alert_webhook_private=private
    )


async def test_it_arrives_once_and_signed() -> None:
    async with receiving() as receiver:
        url = f"http://localhost:{receiver.port}/hook?of=us"
        assert await deliver(settings(url), "job 7", BODY, AT)
    [(line, headers, body)] = receiver.requests
    assert (line, body) == ("POST /hook?of=us HTTP/1.1", BODY)
    assert headers["host"] == f"localhost:{receiver.port}"
    assert headers["content-type"] == "application/json"
    assert headers["x-formula-delivery"] == "job 7"
    stamp, _, given = headers["x-formula-signature"].partition(",v1=")
    assert stamp == f"t={int(AT.timestamp())}"
    signed = f"{int(AT.timestamp())}.".encode() + body
    assert given == hmac.new(SECRET.encode(), signed, "sha256").hexdigest()


async def test_whoever_takes_it_can_go_on_with_the_trace() -> None:
    made: list[tracing.Span] = []
    tracing.record(made.append, 1.0)
    try:
        async with receiving() as receiver:
            with tracing.span("job") as job:
                await deliver(settings(f"http://127.0.0.1:{receiver.port}/"), "job", BODY, AT)
            await deliver(settings(f"http://127.0.0.1:{receiver.port}/"), "job", BODY, AT)
    finally:
        tracing.record(None)
    told = [headers["traceparent"] for _, headers, _ in receiver.requests]
    sent = [one for one in made if one.kind is tracing.Kind.CLIENT]
    assert told == [one.at.traceparent for one in sent]
    assert (sent[0].at.id, sent[0].parent) == (job.trace.id, job.trace.span)
    assert sent[1].at.id != job.trace.id


@pytest.mark.parametrize(
    ("signs", "at", "arrives"),
    [
        ("ours", x509.DNSName("localhost"), True),
        ("theirs", x509.DNSName("localhost"), False),
        ("ours", ELSEWHERE, False),
    ],
)
async def test_only_who_shows_a_right_certificate_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signs: str, at: Any, *, arrives: bool
) -> None:
    authorities = {name: Authority(tmp_path, name) for name in ("ours", "theirs")}
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities["ours"].file))
    async with receiving(authorities[signs].serves(at)) as receiver:
        telling = deliver(settings(f"https://localhost:{receiver.port}/"), "job", BODY, AT)
        if arrives:
            assert await telling
        else:
            with pytest.raises(NotDelivered, match="CERTIFICATE_VERIFY_FAILED"):
                await telling
    assert len(receiver.requests) == arrives


def test_the_signature_is_of_the_time_too() -> None:
    assert signature(SECRET, BODY, AT) != signature(SECRET, BODY, AT.replace(second=1))
    assert signature(SECRET, BODY, AT) != signature("another", BODY, AT)


async def test_without_an_address_nobody_is_told() -> None:
    assert not await deliver(Settings(), "job", BODY, AT)


@pytest.mark.parametrize("status", ["302 Found\r\nLocation: http://127.0.0.1/", "404 No", "500 No"])
async def test_what_is_not_taken_is_tried_again_and_no_redirect_is_followed(status: str) -> None:
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    async with receiving(answer=answer) as receiver:
        with pytest.raises(NotDelivered, match=status[:3]):
            await deliver(settings(f"http://127.0.0.1:{receiver.port}/"), "job", BODY, AT)
    assert len(receiver.requests) == 1


async def test_who_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "TIMEOUT_S", 1.0)
    async with receiving(hangs=True) as receiver:
        with pytest.raises(NotDelivered):
            await deliver(settings(f"http://127.0.0.1:{receiver.port}/"), "job", BODY, AT)
    assert len(receiver.requests) == 1


async def test_who_is_away_is_tried_again() -> None:
    async with receiving() as receiver:
        pass
    with pytest.raises(NotDelivered):
        await deliver(settings(f"http://127.0.0.1:{receiver.port}/"), "job", BODY, AT)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0.0.0.0", "10.0.0.1", "192.168.1.1",  # noqa: S104
     "172.16.0.1", "169.254.169.254", "100.64.0.1", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1]",
     "[fd00:ec2::254]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "224.0.0.1", "168.63.129.16",
     "192.0.0.192", "[fec0::1]"],
)  # fmt: skip
async def test_our_own_network_is_never_asked(host: str) -> None:
    async with receiving() as receiver:
        url = f"http://{host}:{receiver.port}/"
        with pytest.raises(Invalid) as caught:
            await deliver(settings(url, private=False), "job", BODY, AT)
    assert caught.value.code == "webhook.private_address"
    assert receiver.requests == []


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_what_all_the_world_can_ask_is_asked(address: str) -> None:
    assert is_public(address)


# IANA's registries of special-purpose addresses, what is not globally reachable by them or by what
# it was made for; and what was before them: multicast, site-local, IPv4-compatible.
SPECIAL = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
    *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    *("::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001::/32"),
    *("2001:2::/48", "2001:10::/28", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16"),
    *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
)


@pytest.mark.parametrize("network", SPECIAL)
@given(data=st.data())
def test_nothing_special_is_public(network: str, data: st.DataObject) -> None:
    ip = data.draw(st.ip_addresses(network=network))
    assert not is_public(str(ip))
    if isinstance(ip, IPv4Address):
        assert not is_public(f"::ffff:{ip}")
        assert not is_public(f"64:ff9b::{ip}")


@given(st.ip_addresses())
def test_what_is_public_is_global_and_one_host(ip: IPv4Address | IPv6Address) -> None:
    """By Python's own tables; but what carries another address is judged by that, as above."""
    looks = ip.is_global and not (ip.is_multicast or ip.is_reserved)
    carries = ip in NAT64 or (isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None)
    assert is_public(str(ip)) <= (looks or carries)


async def test_what_was_looked_up_is_what_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that says something else the second time gains nothing: it is asked once."""
    asked: list[str] = []
    async with receiving() as receiver:

        async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
            asked.append(host)
            here = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
            return [here] if host == "changes.example" and len(asked) == 1 else []

        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo, raising=False)
        url = f"http://changes.example:{receiver.port}/"
        assert await deliver(settings(url), "job", BODY, AT)
        assert [one for one in asked if one == "changes.example"] == ["changes.example"]
    assert receiver.requests[0][1]["host"] == f"changes.example:{receiver.port}"


async def test_one_private_address_among_others_is_enough_to_refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def getaddrinfo(_host: str, port: int, **_: Any) -> list[Any]:
        both = ("1.1.1.1", "10.0.0.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in both]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
    hook = hook_of(settings("https://two.example/"))
    assert hook is not None
    with pytest.raises(Invalid):
        await resolve(hook, private=False)
    assert await resolve(hook, private=True) == ["1.1.1.1", "10.0.0.1"]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://", "ALERT_WEBHOOK_URL"),
        ("http://user:word@x.example/", "ALERT_WEBHOOK_URL"),
        ("http://x.example:99999/", "ALERT_WEBHOOK_URL"),
        ("http://été.example/", "ALERT_WEBHOOK_URL"),
    ],
)
def test_an_address_that_is_none_is_told(url: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        hook_of(settings(url))


def test_a_secret_is_needed() -> None:
    with pytest.raises(SettingsError, match="ALERT_WEBHOOK_SECRET"):
        hook_of(Settings(alert_webhook_url="https://x.example/"))
