"""Webhooks: JSON to somebody else's address, signed, and never to where only we should reach.

A name is looked up once, and what was checked is what is connected to.
"""

import asyncio
import hmac
import socket
import ssl
from datetime import datetime
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

import httpx
import msgspec

from domain.errors import Invalid
from infra.settings import Settings, SettingsError
from infra.tracing import Kind, span

TIMEOUT_S = 10.0  # for all of it
SIGNATURE = "X-Formula-Signature"
DELIVERY = "X-Formula-Delivery"
MOST_ADDRESSES = 4  # of a name that are tried

# What is no one host of all the world's, of IANA's registries of special purposes (2025), and a
# cloud's metadata on an address that looks public.
SPECIAL = tuple(
    ip_network(one)
    for one in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3", "168.63.129.16/32"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),  # tunnels among them
    )
)
UNICAST = IPv6Network("2000::/3")  # all that IANA gives out of IPv6 (RFC 4291, 2.4)
NAT64 = IPv6Network("64:ff9b::/96")


class NotDelivered(Exception):
    """It did not arrive, or was not taken: to be tried again."""


class Hook(msgspec.Struct, frozen=True):
    """Where to."""

    scheme: str
    host: str
    port: int
    path: str  # and the query

    @property
    def authority(self) -> str:
        """As the header Host names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"http": 80, "https": 443}[self.scheme]
        return host if self.port == usual else f"{host}:{self.port}"


def hook_of(settings: Settings) -> Hook | None:
    """None: nobody is to be told. Raises SettingsError."""
    url = settings.alert_webhook_url
    if not url:
        return None
    if not settings.alert_webhook_secret:
        raise SettingsError("ALERT_WEBHOOK_SECRET: is not set, and ALERT_WEBHOOK_URL is")
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError) as error:
        raise SettingsError(f"ALERT_WEBHOOK_URL: {error}") from error
    if not parts.hostname or parts.username is not None or not url.isascii():
        raise SettingsError("ALERT_WEBHOOK_URL: must be http(s)://host[:port]/path")
    path = parts.path or "/"
    return Hook(
        parts.scheme, parts.hostname, port, f"{path}?{parts.query}" if parts.query else path
    )


def signature(secret: str, body: bytes, at: datetime) -> str:
    """Over the time as well: who takes it can refuse what is old, and so what was sent before."""
    stamp = int(at.timestamp())
    digest = hmac.digest(secret.encode(), f"{stamp}.".encode() + body, sha256)
    return f"t={stamp},v1={digest.hex()}"


async def deliver(settings: Settings, name: str, body: bytes, at: datetime) -> bool:
    """Whether there is somebody to tell; `name` is the same when it is tried again.

    Raises NotDelivered, and Invalid for an address that is none of theirs.
    """
    hook = hook_of(settings)
    if hook is None:
        return False
    headers = {
        "Host": hook.authority,
        "Content-Type": "application/json",
        "User-Agent": "Formula",
        DELIVERY: name,
        SIGNATURE: signature(settings.alert_webhook_secret, body, at),
    }
    try:
        async with asyncio.timeout(TIMEOUT_S):
            addresses = await resolve(hook, private=settings.alert_webhook_private)
            with span("webhook", kind=Kind.CLIENT) as open_:
                if parent := open_.trace.traceparent:
                    headers["traceparent"] = parent
                status = await _post(hook, addresses, headers, body)
    except (OSError, TimeoutError, httpx.HTTPError) as error:
        raise NotDelivered(repr(error)) from error
    if not httpx.codes.is_success(status):
        raise NotDelivered(f"answered {status}")
    return True


async def resolve(hook: Hook, *, private: bool) -> list[str]:
    """The name's addresses. Raises Invalid where any is none that all the world could ask."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(hook.host, hook.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    if not private and not all(is_public(one) for one in addresses):
        raise Invalid("webhook.private_address", host=hook.host)
    return addresses[:MOST_ADDRESSES]


def is_public(address: str) -> bool:
    """Whether it is neither this machine's nor this network's, however it is written."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        inner = IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in NAT64 else ip.ipv4_mapped
        if inner is not None:
            return is_public(str(inner))
        if ip not in UNICAST:
            return False
    return not any(ip in network for network in SPECIAL)


async def _post(hook: Hook, addresses: list[str], headers: dict[str, str], body: bytes) -> int:
    """The status; of the answer nothing is read. Redirects are not followed: they are none."""
    last: httpx.TransportError | None = None
    async with httpx.AsyncClient(verify=ssl.create_default_context(), trust_env=False) as client:
        for address in addresses:
            at = f"[{address}]" if ":" in address else address
            request = client.build_request(
                "POST",
                f"{hook.scheme}://{at}:{hook.port}{hook.path}",
                headers=headers,
                content=body,
                extensions={"sni_hostname": hook.host},
            )
            try:
                response = await client.send(request, stream=True, follow_redirects=False)
            except httpx.ConnectError as error:
                last = error
                continue
            await response.aclose()
            return response.status_code
    raise last or httpx.ConnectError("no address")
