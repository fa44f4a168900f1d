"""Programs of Debian's packages that tests need, installed when they are missing."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

APT = ("apt-get", "-y", "-q", "-o", "DPkg::Lock::Timeout=90")


def program(name: str, timeout_s: float, package: str = "") -> str | None:
    """A program of a package, of the same name if not said; None where it is not had in time."""
    with (Path(tempfile.gettempdir()) / "formula-tests-apt.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the workers of a run ask for it at once
        return _found(name) or _installed(name, package or name, timeout_s)


def _found(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin")))


def _installed(name: str, package: str, timeout_s: float) -> str | None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return None
    # RUNLEVEL: the package must not start a service of its own.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update"], ["--no-install-recommends", "install", package]):
        try:
            subprocess.run(
                [*APT, *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout_s / 2,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
    return _found(name)
