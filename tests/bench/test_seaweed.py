"""The S3 server that tests and benchmarks start."""

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bench import seaweed as module
from bench.seaweed import seaweed

pytestmark = pytest.mark.services


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


def test_it_starts_with_other_ports_where_one_was_taken(
    tmp_path: Path, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Mapping[str, int]] = []
    free = module.ports

    def ports() -> Mapping[str, int]:
        drawn.append(free() if drawn else {**free(), "filer.port.grpc": taken})
        return drawn[-1]

    monkeypatch.setattr(module, "ports", ports)
    with seaweed(tmp_path) as server:
        assert server.url == f"http://127.0.0.1:{drawn[1]['s3.port']}"
        server.bucket("kept")
        server.kill()
        server.start()  # with the same, as its clients know them
        names = [one["Name"] for one in module.client(server.url).list_buckets()["Buckets"]]
        assert (names, len(drawn)) == (["kept"], 2)
