"""The data folder of the embedded servers: its lock, its user, its private files, its ports."""

import errno
import fcntl
import os
import pwd
import secrets
import shutil
import socket
import stat
import subprocess
from base64 import b64encode
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

SERVER_USER = "embedded_postgres"  # what servers run as when we are root: Postgres refuses root
LEAST_FREE = 64 * 1024 * 1024  # bytes; below, Postgres cannot even make its first segments
# Below the ports that kernels give to outgoing connections: a client that retries while a server
# restarts could otherwise be given the server's own port, and connect to itself.
PORTS = range(20_000, 32_000)


class EmbeddedError(Exception):
    """The embedded servers cannot run here: one line that says what to do."""


class AlreadyRunning(EmbeddedError):
    """Another process holds the data folder."""

    def __init__(self, folder: Path, pid: str) -> None:
        super().__init__(f"already running on {folder} as process {pid}: stop that one first")
        self.pid = pid


@contextmanager
def hold_folder(folder: Path) -> Generator[Path]:
    """The folder for this process alone, made if there is none. Raises AlreadyRunning."""
    with usable(folder):
        if not folder.exists():
            folder.mkdir(parents=True)
            folder.chmod(0o755)  # whatever the umask: the servers' user must get through
        lock = (folder / "lock").open("a+")
    with closing(lock):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise AlreadyRunning(folder, lock.read() or "(starting)") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield folder.resolve()


@contextmanager
def usable(folder: Path) -> Generator[None]:
    """Turn what the system refuses into one line with a way out."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise full(folder) from error
        raise EmbeddedError(
            f"cannot use {folder}: {error}; choose another folder with FORMULA_DATA"
        ) from error


def full(folder: Path) -> EmbeddedError:
    return EmbeddedError(
        f"the disk of {folder} is full: free some space, or choose another with FORMULA_DATA"
    )


def require_space(folder: Path) -> None:
    if shutil.disk_usage(folder).free < LEAST_FREE:
        raise full(folder)


def server_user() -> pwd.struct_passwd:
    """Who the servers run as: ourselves, or as root a user of their own, made when missing."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    try:
        return pwd.getpwnam(SERVER_USER)
    except KeyError:
        return _new_user()


def _new_user() -> pwd.struct_passwd:
    command = shutil.which("useradd")
    if command is not None:  # its exit code is of no use: another process may have been faster
        shell = "/usr/sbin/nologin"
        arguments = [command, "--system", "--no-create-home", "--shell", shell, SERVER_USER]
        subprocess.run(arguments, check=False, capture_output=True)  # noqa: S603, no outside input
    try:
        return pwd.getpwnam(SERVER_USER)
    except KeyError:
        raise EmbeddedError(
            f"cannot create the user {SERVER_USER}, and Postgres does not run as root: "
            "create it, or start as another user"
        ) from None


def require_reachable(path: Path, user: pwd.struct_passwd, remedy: str) -> None:
    """Every folder down to `path` must let `user` through; nobody's permissions are changed."""
    for folder in (path, *path.parents):
        if not _lets_through(folder.stat(), user):
            raise EmbeddedError(f"the user {user.pw_name} cannot get through {folder}: {remedy}")


def _lets_through(folder: os.stat_result, user: pwd.struct_passwd) -> bool:
    if user.pw_uid == 0:
        return True
    if folder.st_uid == user.pw_uid:
        return bool(folder.st_mode & stat.S_IXUSR)
    if folder.st_gid in os.getgrouplist(user.pw_name, user.pw_gid):
        return bool(folder.st_mode & stat.S_IXGRP)
    return bool(folder.st_mode & stat.S_IXOTH)


def require_owner(path: Path, user: pwd.struct_passwd) -> None:
    owner = path.stat().st_uid
    if owner != user.pw_uid:
        raise EmbeddedError(
            f"{path} belongs to user {owner}, not to {user.pw_name}: start as whoever made it, "
            "or choose another folder with FORMULA_DATA"
        )


def make_private_folder(path: Path, user: pwd.struct_passwd) -> None:
    path.mkdir(mode=0o700)
    os.chown(path, user.pw_uid, user.pw_gid)


def write_private(path: Path, text: str, user: pwd.struct_passwd) -> None:
    """A file only `user` can read, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with closing(os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")) as to:
        os.fchown(to.fileno(), user.pw_uid, user.pw_gid)
        to.write(text)
        to.flush()
        os.fsync(to.fileno())
    draft.replace(path)


def kept_password(path: Path, user: pwd.struct_passwd) -> str:
    """The password in `path`, made on the first start."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24), user)
    return path.read_text()


def kept_key(path: Path, user: pwd.struct_passwd) -> str:
    """32 random bytes in base64, made on the first start. What it opens must not outlive it."""
    if not path.exists():
        write_private(path, b64encode(secrets.token_bytes(32)).decode(), user)
        opened = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    return path.read_text()


def kept_port(path: Path, user: pwd.struct_passwd) -> int:
    """The port of the last start if it is still free, so that clients find the way back."""
    if path.exists() and is_free(port := int(path.read_text())):
        return port
    port = free_port()
    write_private(path, str(port), user)
    return port


def free_port() -> int:
    """A loopback port that nobody listens on."""
    while not is_free(port := secrets.choice(PORTS)):
        pass
    return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: the connections of the last start may linger in TIME_WAIT.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
