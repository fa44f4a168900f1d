"""A real balancer (HAProxy, from Debian's packages) before api processes on loopback.

Round robin without stickiness: every request and every socket may reach another process.
"""

import asyncio
import socket
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from infra.folder import free_port
from tests.debian import program
from tests.infra.until import until

STARTED_S = 10.0
INSTALLED_S = 100.0  # below a test's own limit

# A process is left out while it does not answer or says that it stops. One that waits for another
# role is not: all would be, and clients would get the balancer's answer in place of the API's.
# A connection that fails goes to the next process at once; a request that was sent never does.
CONFIG = """
global
    nbthread 1
    maxconn 4096
defaults
    mode http
    timeout connect 1s
    timeout check 2s
    timeout http-request 10s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
    retries 3
    option redispatch 1
    retry-on conn-failure
frontend front
    bind 127.0.0.1:{port}
    {policy}
    default_backend api
backend api
    balance roundrobin
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host balancer
    http-check expect ! string stopping
    default-server check inter 200ms fall 1 rise 1 observe layer4 error-limit 1 on-error mark-down
"""
BLOCKED = "http-request del-header upgrade"  # as a proxy does that knows nothing of WebSockets


@asynccontextmanager
async def balancer(backends: Sequence[int], *, block_upgrades: bool = False) -> AsyncGenerator[str]:
    """The URL of a balancer before the processes that listen on these ports.

    The test is skipped where HAProxy neither is nor can be installed.
    """
    haproxy, port = await asyncio.to_thread(program, "haproxy", INSTALLED_S), free_port()
    if haproxy is None:
        pytest.skip("HAProxy is missing and cannot be installed: apt-get install haproxy")
    config = CONFIG.format(port=port, policy=BLOCKED if block_upgrades else "")
    servers = [f"    server api{one} 127.0.0.1:{one}\n" for one in backends]
    with _running(haproxy, config + "".join(servers)) as process:
        await until(lambda: _accepts(process, port), STARTED_S)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(program: str, config: str) -> Generator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryDirectory(prefix="formula-balancer-") as folder:
        path = Path(folder) / "haproxy.cfg"
        path.write_text(config)
        with subprocess.Popen([program, "-db", "-q", "-f", path]) as process:
            try:
                yield process
            finally:
                process.terminate()


def _accepts(process: subprocess.Popen[bytes], port: int) -> bool:
    assert process.poll() is None, "the balancer has ended"
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
