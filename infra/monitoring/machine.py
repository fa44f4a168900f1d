"""What this process and its children use, of what they may; how container and machine are.

Limits are the configured ones, else the cgroup's, else the machine's.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

from infra.metrics import Gauges, Labels, Metric, Totals
from infra.monitoring.cgroups import CGROUPS, OWN, Container, cores_of, folders, memory_of
from infra.settings import Settings

SHARES = {
    "formula_process_cpu_share": "of the cores that the process and its children may use",
    "formula_process_memory_share": "of the memory that they may use",
    "formula_process_memory_bytes": "resident, of the process and its children",
    "formula_process_open_files": "file descriptors of the process",
    "formula_process_children": "processes that it started, and theirs",
    "formula_container_cpu_share": "of the container's limit, by all that is in it",
    "formula_container_memory_share": "likewise; without what is only cached of files",
    "formula_host_cpu_share": "of the machine's cores",
    "formula_host_memory_share": "of the machine's memory",
    "formula_host_load": "processes that want a core, over a minute",
    "formula_disk_used_share": "of the disk with the data folder, and of that with uploads",
}


class Limits(msgspec.Struct, frozen=True):
    """What the process and its children may use."""

    cores: float
    memory: int  # bytes


class Use(msgspec.Struct, frozen=True):
    """Of the process and its children; CPU since they began, also of those that are gone."""

    cpu_s: float
    memory: int  # bytes
    children: int


def limits_of(settings: Settings, root: Path = CGROUPS, own: Path = OWN) -> Limits:
    cores, memory = float(psutil.cpu_count() or 1), psutil.virtual_memory().total
    for folder in folders(root, own):
        cores = min(cores, cores_of(folder) or cores)
        memory = min(memory, memory_of(folder) or memory)
    return Limits(settings.cpu_limit or cores, settings.memory_limit or memory)


def use_of(process: psutil.Process) -> Use:
    """Takes milliseconds: it looks through /proc."""
    children = process.children(recursive=True)
    cpu_s, memory = 0.0, 0
    for one in (process, *children):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # it ended meanwhile
            times = one.cpu_times()
            cpu_s += times.user + times.system + times.children_user + times.children_system
            memory += one.memory_info().rss
    return Use(cpu_s, memory, len(children))


class Machine:
    """Looked at once a sample; `metrics` is what was seen then."""

    def __init__(self, settings: Settings, root: Path = CGROUPS, own: Path = OWN) -> None:
        self.limits = limits_of(settings, root, own)
        self._container = Container(root, own)
        self._disks = {"data": settings.data, "uploads": Path(settings.local_storage_path)}
        self._process = psutil.Process()
        self._use, self._at = use_of(self._process), time.monotonic()
        self._seen: Mapping[str, dict[Labels, float]] = {}
        psutil.cpu_percent()  # of what is between two calls

    def look(self) -> None:
        """Blocks for some milliseconds: for a thread."""
        use, at = use_of(self._process), time.monotonic()
        # A child that nobody waited for takes what it used with it.
        cpu_s, passed = max(use.cpu_s - self._use.cpu_s, 0.0), max(at - self._at, 0.001)
        self._use, self._at = use, at
        values = (
            cpu_s / passed / self.limits.cores,
            use.memory / self.limits.memory,
            use.memory,
            self._process.num_fds(),
            use.children,
            self._container.cpu_share(),
            self._container.memory_share(),
            psutil.cpu_percent() / 100,
            psutil.virtual_memory().percent / 100,
            psutil.getloadavg()[0],
        )
        seen: dict[str, dict[Labels, float]] = {
            name: {(): float(value)}
            for name, value in zip(SHARES, values, strict=False)
            if value is not None
        }
        seen["formula_disk_used_share"] = {
            (("disk", name),): _used(path) for name, path in self._disks.items()
        }
        self._seen = seen

    def metrics(self) -> list[Metric]:
        used = {(): round(self._use.cpu_s, 3)}
        return [
            *(Gauges(name, about, self._seen.get(name, {})) for name, about in SHARES.items()),
            Totals("formula_process_cpu_seconds_total", "CPU time, with its children", used),
        ]


def _used(path: Path) -> float:
    """Of the disk that the folder is on, or will be."""
    there = next(one for one in (path.resolve(), *path.resolve().parents) if one.exists())
    return round(psutil.disk_usage(str(there)).percent / 100, 4)
