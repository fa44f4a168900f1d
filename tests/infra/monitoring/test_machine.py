"""What a process uses, of what it may: measured on processes that do."""

import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from infra.metrics import Gauges, Metric
from infra.monitoring.cgroups import Container
from infra.monitoring.machine import Limits, Machine, limits_of, use_of
from infra.settings import Settings
from tests.infra.until import wait_until

SPIN = "print('on', flush=True)\nwhile True: pass"
HOLD = "kept = bytearray(200 * 2**20)\nprint('on', flush=True)\nimport time; time.sleep(600)"
MIB = 2**20


@contextmanager
def child(program: str) -> Generator[psutil.Process]:
    """One that has begun with what it does."""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as started:
        try:
            assert started.stdout is not None
            assert started.stdout.readline() == b"on\n"
            yield psutil.Process(started.pid)
        finally:
            started.kill()


def told(metrics: list[Metric], name: str) -> float:
    [found] = [one for one in metrics if one.name == name]
    assert isinstance(found, Gauges)
    return found.values[()]


def test_a_child_that_spins_shows_as_the_share_of_the_configured_limit() -> None:
    """A tenth of a core, which it gets on any machine; it takes what it can."""
    with child(SPIN) as spinning:
        machine = Machine(Settings(cpu_limit=0.1))
        began, before = time.monotonic(), cpu_s(spinning)
        wait_until(lambda: cpu_s(spinning) - before > 0.5)
        machine.look()
        taken = (cpu_s(spinning) - before) / (time.monotonic() - began)
        share = told(machine.metrics(), "formula_process_cpu_share")
        assert share >= 0.85
        assert share == pytest.approx(taken / 0.1, rel=0.2)
        assert told(machine.metrics(), "formula_process_children") >= 1


def test_one_that_rests_does_not() -> None:
    with child(HOLD):
        machine = Machine(Settings(cpu_limit=1.0))
        time.sleep(0.3)  # that nothing happens cannot be waited for
        machine.look()
    assert told(machine.metrics(), "formula_process_cpu_share") < 0.5


def test_what_a_child_used_is_counted_when_it_has_ended() -> None:
    before = use_of(psutil.Process())
    program = "import time\nwhile time.process_time() < 0.4: pass"
    subprocess.run([sys.executable, "-c", program], check=True)
    after = use_of(psutil.Process())
    assert round(after.cpu_s - before.cpu_s, 6) >= 0.4
    assert after.children == before.children


def test_memory_shows_as_the_share_of_the_configured_limit() -> None:
    limit = use_of(psutil.Process()).memory + 210 * MIB
    machine = Machine(Settings(memory_limit=limit))
    machine.look()
    idle = told(machine.metrics(), "formula_process_memory_share")
    with child(HOLD):
        machine.look()
    full = told(machine.metrics(), "formula_process_memory_share")
    assert full >= 0.85
    assert (full - idle) * limit >= 200 * MIB


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def cgroup(folder: Path, files: dict[str, str], own: str) -> Limits:
    put(folder, files | {"own": own})
    return limits_of(Settings(), folder, folder / "own")


def put(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_without_limits_it_is_the_machines(tmp_path: Path) -> None:
    whole = Limits(psutil.cpu_count() or 1, psutil.virtual_memory().total)
    assert limits_of(Settings(), tmp_path, tmp_path / "none") == whole
    files = {"cpu.max": "max 100000\n", "memory.max": "max\n"}
    assert cgroup(tmp_path, files, "0::/\n") == whole


def test_the_tightest_of_the_cgroups_counts(tmp_path: Path) -> None:
    files = {
        "pod/cpu.max": "50000 100000\n",
        "pod/memory.max": f"{512 * MIB}\n",
        "pod/app/cpu.max": "max 100000\n",
        "pod/app/memory.max": f"{256 * MIB}\n",
    }
    assert cgroup(tmp_path, files, "0::/pod/app\n") == Limits(0.5, 256 * MIB)


def test_the_first_version_of_cgroups_has_a_folder_for_each_controller(tmp_path: Path) -> None:
    files = {
        "cpu,cpuacct/app/cpu.cfs_quota_us": "25000\n",
        "cpu,cpuacct/app/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "memory/app/memory.limit_in_bytes": f"{128 * MIB}\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n",
    }
    own = "4:memory:/app\n2:cpu,cpuacct:/app\n9:name=systemd:/\n"
    assert cgroup(tmp_path, files, own) == Limits(0.25, 128 * MIB)


def test_what_is_configured_comes_before_the_cgroup(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    (tmp_path / "own").write_text("0::/\n")
    own = Settings(cpu_limit=1.5, memory_limit=MIB)
    assert limits_of(own, tmp_path, tmp_path / "own") == Limits(1.5, MIB)


V2 = {
    "own": "0::/pod/app\n",
    "pod/memory.max": f"{512 * MIB}\n",
    "pod/memory.current": f"{480 * MIB}\n",
    "pod/memory.stat": f"anon 1\ninactive_file {MIB * 64}\nactive_file {MIB * 32}\n",
    "pod/app/memory.max": "max\n",
    "pod/app/memory.current": f"{100 * MIB}\n",
    "pod/app/cpu.max": "50000 100000\n",
    "pod/app/cpu.stat": "usage_usec 5000000\nuser_usec 1\n",
}
V1 = {
    "own": "4:memory:/app\n2:cpu,cpuacct:/app\n",
    "memory/app/memory.limit_in_bytes": f"{512 * MIB}\n",
    "memory/app/memory.usage_in_bytes": f"{480 * MIB}\n",
    "memory/app/memory.stat": f"inactive_file 7\ntotal_inactive_file {MIB * 96}\n",
    "memory/memory.limit_in_bytes": "9223372036854771712\n",
    "memory/memory.usage_in_bytes": f"{MIB}\n",
    "cpu,cpuacct/app/cpu.cfs_quota_us": "50000\n",
    "cpu,cpuacct/app/cpu.cfs_period_us": "100000\n",
    "cpu,cpuacct/app/cpuacct.usage": "5000000000\n",
}


@pytest.mark.parametrize(
    ("files", "later"),
    [
        (V2, {"pod/app/cpu.stat": "usage_usec 5400000\n"}),
        (V1, {"cpu,cpuacct/app/cpuacct.usage": "5400000000\n"}),
    ],
)
def test_a_container_is_as_full_as_all_in_it_make_it(
    tmp_path: Path, files: dict[str, str], later: dict[str, str]
) -> None:
    put(tmp_path, files)
    before = time.monotonic()
    container = Container(tmp_path, tmp_path / "own")
    after = time.monotonic()
    assert container.memory_share() == 384 / 512
    put(tmp_path, later)
    wait_until(lambda: time.monotonic() - after > 0.1)
    least = time.monotonic() - after
    share = container.cpu_share()
    most = time.monotonic() - before
    assert share is not None
    assert 0.4 / 0.5 / most <= share * 1.001
    assert share <= 0.4 / 0.5 / least * 1.001


def test_without_a_limit_there_is_no_share(tmp_path: Path) -> None:
    put(tmp_path, {"own": "0::/\n", "cpu.max": "max 100000\n", "memory.current": "5\n"})
    container = Container(tmp_path, tmp_path / "own")
    assert (container.cpu_share(), container.memory_share()) == (None, None)
    machine = Machine(Settings(), tmp_path, tmp_path / "own")
    machine.look()
    [found] = [one for one in machine.metrics() if one.name == "formula_container_memory_share"]
    assert isinstance(found, Gauges)
    assert found.values == {}


def test_the_disk_of_a_folder_that_is_still_to_be_made_is_seen(tmp_path: Path) -> None:
    data = str(tmp_path / "a" / "b")
    machine = Machine(Settings(formula_data=data, local_storage_path=data))
    machine.look()
    [disk] = [one for one in machine.metrics() if one.name == "formula_disk_used_share"]
    assert isinstance(disk, Gauges)
    assert set(disk.values) == {(("disk", "data"),), (("disk", "uploads"),)}
    assert all(0 < used <= 1 for used in disk.values.values())
