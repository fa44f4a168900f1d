"""TLS before the embedded servers, which have none, and authorities that sign certificates."""

import asyncio
import ipaddress
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CHUNK = 1 << 16  # bytes
# What a client of Postgres begins with (chapter 54 of its manual), and the answers.
SSL_REQUEST, GSS_REQUEST = bytes.fromhex("0000000804d2162f"), bytes.fromhex("0000000804d21630")
YES, NO = b"S", b"N"
HERE = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
ELSEWHERE = x509.DNSName("elsewhere.example")


class Authority:
    """`file` is its certificate, for those who trust it."""

    def __init__(self, folder: Path, name: str) -> None:
        self._key, self._folder = ec.generate_private_key(ec.SECP256R1()), folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        mark = x509.BasicConstraints(ca=True, path_length=0)
        own = self._builder(self._name, self._key).add_extension(mark, critical=True)
        self.file.write_bytes(_pem(own.sign(self._key, hashes.SHA256())))

    def serves(self, at: x509.GeneralName) -> ssl.SSLContext:
        """What a server needs who is to be reached by that name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server")])
        names = x509.SubjectAlternativeName([at])
        signed = self._builder(subject, key).add_extension(names, critical=False)
        file = self._folder / f"server-{id(key)}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        file.write_bytes(private + _pem(signed.sign(self._key, hashes.SHA256())))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


class Terminator:
    """Takes TLS and nothing else, and passes on what is in it."""

    def __init__(self, upstream: int, context: ssl.SSLContext, *, postgres: bool) -> None:
        self.port = 0
        self.secured = 0  # connections that came through
        self.plain = 0  # that wanted no TLS
        self._upstream, self._context, self._postgres = upstream, context, postgres
        self._open: set[asyncio.Task[None]] = set()

    async def serve(self, ready: Callable[[], None]) -> None:
        tls = None if self._postgres else self._context
        server = await asyncio.start_server(self._accept, "127.0.0.1", ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        ready()
        try:
            await asyncio.Event().wait()
        finally:
            server.close()
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        try:
            with suppress(OSError, EOFError, asyncio.CancelledError):  # it is over
                if not self._postgres or await self._agreed(reader, writer):
                    self.secured += 1
                    await self._pass_on(reader, writer)
        finally:
            writer.close()

    async def _agreed(self, reader: StreamReader, writer: StreamWriter) -> bool:
        asked = await reader.readexactly(len(SSL_REQUEST))
        if asked == GSS_REQUEST:
            writer.write(NO)
            asked = await reader.readexactly(len(SSL_REQUEST))
        if asked != SSL_REQUEST:
            self.plain += 1
            return False
        writer.write(YES)
        await writer.drain()
        await writer.start_tls(self._context)
        return True

    async def _pass_on(self, reader: StreamReader, writer: StreamWriter) -> None:
        further, back = await asyncio.open_connection("127.0.0.1", self._upstream)
        there = asyncio.create_task(_pump(reader, back))
        here = asyncio.create_task(_pump(further, writer))
        try:
            await asyncio.wait({there, here}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            back.close()
            for task in (there, here):
                task.cancel()
            await asyncio.gather(there, here, return_exceptions=True)


async def _pump(source: StreamReader, sink: StreamWriter) -> None:
    while data := await source.read(CHUNK):
        sink.write(data)
        await sink.drain()


@contextmanager
def terminating(
    upstream: int, context: ssl.SSLContext, *, postgres: bool = False
) -> Generator[Terminator]:
    """Beside the test's event loop: some clients block it while they connect."""
    one = Terminator(upstream, context, postgres=postgres)
    begun = Event()
    loop = asyncio.new_event_loop()
    serving = loop.create_task(one.serve(begun.set))
    thread = Thread(target=_run, args=(loop, serving))
    thread.start()
    assert begun.wait(10)
    try:
        yield one
    finally:
        loop.call_soon_threadsafe(serving.cancel)
        thread.join(10)


def _run(loop: asyncio.AbstractEventLoop, serving: asyncio.Task[None]) -> None:
    with suppress(asyncio.CancelledError):
        loop.run_until_complete(serving)
    loop.close()
