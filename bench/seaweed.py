"""An S3 server of one's own: SeaweedFS, whole in one process, on loopback alone."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from boto3.session import Session

from infra.folder import free_port

KEY_ID, SECRET = "an-id", "a-secret"
REGION = "us-east-1"
SERVICES = ("master", "volume", "filer", "s3")  # each has a port for HTTP and one for gRPC
START_S = 60.0
TRIES = 5  # with other ports, where somebody took one before it could
ENVIRONMENT = {
    "WEED_S3_SSE_KEY": "seals",  # without one it refuses to encrypt
    "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",  # volumes at a time for a bucket, not seven
}
ACCESS = {
    "identities": [
        {
            "name": "formula",
            "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}],
            "actions": ["Admin"],
        }
    ],
    "kms": {
        "default_provider": "local",
        "providers": {"local": {"type": "local", "enableOnDemandCreate": True}},
    },
}


class Seaweed:
    """Everything that it keeps and says is in `folder`; killed and started again, it goes on."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._ports = folder, ports()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._ports['s3.port']}"

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        if self._process is None:
            raise RuntimeError("it does not run")
        return self._process.pid

    @property
    def log(self) -> Path:
        return self._folder / "weed.log"

    def start(self) -> None:
        """Answers when it returns. Raises RuntimeError with the end of its log."""
        (self._folder / "s3.json").write_text(json.dumps(ACCESS))
        if (self._folder / "data").exists():
            return self._start()  # clients know its ports
        for _ in range(TRIES - 1):
            try:
                return self._start()
            except RuntimeError:
                if b"address already in use" not in self.log.read_bytes():
                    raise
                self.kill()
                shutil.rmtree(self._folder / "data")  # which names its ports
                self._ports = ports()
        return self._start()

    def _start(self) -> None:
        (self._folder / "data").mkdir(exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"HOME": str(self._folder), **ENVIRONMENT},
            )
        self._until_answering(self._process)

    def kill(self) -> None:
        """At once: asked to end, it takes seconds. Its sockets it leaves where they always are."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            for port in self._ports.values():
                for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108, its own
                    path.unlink(missing_ok=True)

    def bucket(self, name: str) -> Any:
        """A new one; boto3's client to look at it with."""
        s3 = client(self.url)
        s3.create_bucket(Bucket=name)
        return s3

    def _command(self) -> list[str]:
        given = {
            "dir": self._folder / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "filer": "true",
            "s3": "true",
            "s3.config": self._folder / "s3.json",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "master.peers": "none",  # nobody to wait for
            "master.telemetry": "false",  # it would tell its makers of every run
            "master.volumeSizeLimitMB": 1_024,
            "volume.max": 1_000,  # a bucket takes one at least
            **self._ports,
        }
        program = str(Path(sys.executable).with_name("weed"))
        flags = [f"-{name}={value}" for name, value in given.items()]
        return [program, "-logtostderr=true", "server", *flags]

    def _until_answering(self, process: subprocess.Popen[bytes]) -> None:
        late = time.monotonic() + START_S
        while not self._answers():
            if process.poll() is not None or time.monotonic() > late:
                raise RuntimeError(f"no S3 server: {self.log.read_text()[-2_000:]}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self._ports["s3.port"], timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


def client(url: str) -> Any:
    session: Any = Session(KEY_ID, SECRET, region_name=REGION)
    return session.client("s3", endpoint_url=url)


def ports() -> Mapping[str, int]:
    """By the flag that sets it; nobody listens on them."""
    names = [f"{service}.port{kind}" for service in SERVICES for kind in ("", ".grpc")]
    free: set[int] = set()
    while len(free) < len(names):
        free.add(free_port())
    return dict(zip(names, free, strict=True))


@contextmanager
def seaweed(folder: Path) -> Generator[Seaweed]:
    """Started; killed on leaving."""
    server = Seaweed(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
