"""A large file through the API: how fast, and what the process grows by."""

import time
from pathlib import Path

import msgspec

from bench.child import Sample, answer, given
from bench.load.file_server import made, serving_files
from infra.settings import Settings

SMALL = 1 << 24  # bytes of the first one: what a process needs once in its life comes with it
PEAK = "5"  # proc(5), clear_refs: forget the peak of the resident memory


class Upload(msgspec.Struct, frozen=True):
    """`path`: what is sent, anew in each round."""

    settings: Settings
    path: str


def run(load: Upload) -> Sample:
    """`mb_per_s`, until it is answered; `grown`: MiB above what was resident before."""
    path = Path(load.path)
    size = path.stat().st_size
    with serving_files(load.settings) as server:
        first = made(path.with_name(f"first-{server.port}.jpg"), SMALL)
        server.send(first)
        first.unlink()
        before, start = _forgotten(server.pid), time.perf_counter()
        file = server.send(path)
        took = time.perf_counter() - start
        grown = _kib(server.pid, "VmHWM") - before
        wrong = server.metadata(file)["bytes"] != size
    values = {"mb_per_s": size / took / 1e6, "grown": grown / 1_024}
    return Sample(values, int(wrong), "it is not as long as what was sent" if wrong else "")


def _forgotten(pid: int) -> int:
    Path(f"/proc/{pid}/clear_refs").write_text(PEAK)
    return _kib(pid, "VmRSS")


def _kib(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [one for one in lines if one.startswith(f"{name}:")]
    return int(line.split()[1])


if __name__ == "__main__":
    answer(run(given(Upload)))
