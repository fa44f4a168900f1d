"""The container that this process is in, by its cgroups: its limits, and what all in it use.

v2: cpu.max, cpu.stat, memory.max, memory.current; v1: cpu.cfs_quota_us, cpuacct.usage,
memory.limit_in_bytes, memory.usage_in_bytes.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

CGROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")

# What the kernel takes back when somebody wants more memory; of v1 with what is below.
CACHED = ("inactive_file", "active_file")


def folders(root: Path = CGROUPS, own: Path = OWN) -> Iterator[Path]:
    """Those of the cgroups that this process is in, up to the root: each may set a limit."""
    for line in _read(own).splitlines():
        _, controllers, path = line.split(":", 2)
        base = root / controllers if controllers else root
        within = base / path.lstrip("/")
        yield within
        yield from (parent for parent in within.parents if parent.is_relative_to(base))


def cores_of(folder: Path) -> float | None:
    """None: no limit."""
    quota, _, period = _read(folder / "cpu.max").strip().partition(" ")
    if not period:
        quota = _read(folder / "cpu.cfs_quota_us").strip()
        period = _read(folder / "cpu.cfs_period_us").strip()
    if quota.isdigit() and period.isdigit():  # "max" or -1: none
        return int(quota) / int(period)
    return None


def memory_of(folder: Path) -> int | None:
    """Bytes; None: no limit."""
    return _number(folder, "memory.max", "memory.limit_in_bytes")


class Container:
    """What all its processes use together, of its limits: each alone may be far from them."""

    def __init__(self, root: Path = CGROUPS, own: Path = OWN) -> None:
        found, whole = [*folders(root, own)], psutil.virtual_memory().total
        cores = {folder: cores_of(folder) for folder in found}
        memory = {folder: memory_of(folder) for folder in found}
        self._cores = {folder: most for folder, most in cores.items() if most}
        # Of v1 "no limit" is a very large one.
        self._memory = {folder: most for folder, most in memory.items() if most and most < whole}
        self._used, self._at = self._cpu_s(), time.monotonic()

    def cpu_share(self) -> float | None:
        """Since the last time; None: there is no limit."""
        used, at = self._cpu_s(), time.monotonic()
        passed = max(at - self._at, 0.001)
        shares = [
            (now - self._used[folder]) / passed / self._cores[folder]
            for folder, now in used.items()
            if folder in self._used
        ]
        self._used, self._at = used, at
        return max(shares, default=None)

    def memory_share(self) -> float | None:
        """Without what is only cached of files; None: there is no limit."""
        shares = [_held(folder) / most for folder, most in self._memory.items()]
        return max(shares, default=None)

    def _cpu_s(self) -> Mapping[Path, float]:
        used = {folder: _cpu_s(folder) for folder in self._cores}
        return {folder: one for folder, one in used.items() if one is not None}


def _cpu_s(folder: Path) -> float | None:
    micro = _stat(folder / "cpu.stat").get("usage_usec")
    if micro is not None:
        return micro / 1_000_000
    nano = _number(folder, "cpuacct.usage")
    return None if nano is None else nano / 1_000_000_000


def _held(folder: Path) -> int:
    stat = _stat(folder / "memory.stat")
    used = _number(folder, "memory.current", "memory.usage_in_bytes") or 0
    return used - sum(stat.get(f"total_{name}", stat.get(name, 0)) for name in CACHED)


def _number(folder: Path, *names: str) -> int | None:
    """Of the first of the files that is there and has one."""
    found = (_read(folder / name).strip() for name in names)
    return next((int(text) for text in found if text.isdigit()), None)


def _stat(path: Path) -> dict[str, int]:
    pairs = (line.split() for line in _read(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
