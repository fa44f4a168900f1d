"""The data folder: who holds it, and what is kept in it."""

import os
import socket
from pathlib import Path

import pytest

from infra.folder import AlreadyRunning, hold_folder, is_free, kept_password, kept_port, server_user


def test_a_second_instance_on_the_folder_is_refused(tmp_path: Path) -> None:
    with hold_folder(tmp_path), pytest.raises(AlreadyRunning) as caught, hold_folder(tmp_path):
        pass
    assert caught.value.pid == str(os.getpid())
    assert str(caught.value).count("\n") == 0
    with hold_folder(tmp_path):  # and free again after it
        pass


def test_the_port_of_the_last_start_is_used_again(tmp_path: Path) -> None:
    kept, user = tmp_path / "postgres.port", server_user()
    assert kept_port(kept, user) == kept_port(kept, user)


def test_a_port_that_was_taken_meanwhile_is_given_up(tmp_path: Path) -> None:
    kept, user = tmp_path / "postgres.port", server_user()
    port = kept_port(kept, user)
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
        assert kept_port(kept, user) != port


def test_a_password_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    kept, user = tmp_path / "postgres.password", server_user()
    assert kept_password(kept, user) == kept_password(kept, user)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.stat().st_uid == user.pw_uid
