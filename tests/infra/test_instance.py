import stat
from base64 import b64decode
from pathlib import Path

import msgspec
import pytest

from infra.instance import (
    FILE,
    Instance,
    NotRunning,
    announced,
    base_url,
    find_instance,
    with_instance,
    with_key,
    with_secret,
)
from infra.settings import Settings, load_settings

DATABASE, REDIS, SECRET = "postgresql://a@h/formula", "redis://h", "a secret that is long enough"


@pytest.fixture
def asked(tmp_path: Path) -> Settings:
    """What a command in another terminal knows."""
    return Settings(formula_data=str(tmp_path))


@pytest.fixture
def serving(asked: Settings) -> Settings:
    return msgspec.structs.replace(
        asked,
        port=8080,
        database_url=DATABASE,
        redis_url=REDIS,
        jwt_secret=SECRET,
        local_storage_key="a key",
    )


def test_a_running_instance_is_found_by_its_folder(asked: Settings, serving: Settings) -> None:
    with announced(serving):
        assert with_instance(asked) == serving


def test_what_is_given_goes_before_what_is_found(asked: Settings, serving: Settings) -> None:
    given = msgspec.structs.replace(asked, redis_url="redis://other")
    with announced(serving):
        assert with_instance(given).redis_url == "redis://other"


def test_nobody_else_may_read_where_it_runs(serving: Settings) -> None:
    with announced(serving):
        assert stat.S_IMODE((serving.data / FILE).stat().st_mode) == 0o600


def test_nothing_is_left_after_the_end(asked: Settings, serving: Settings) -> None:
    with announced(serving):
        pass
    with pytest.raises(NotRunning, match="make run"):
        with_instance(asked)


def test_an_instance_that_was_killed_is_not_running(asked: Settings, serving: Settings) -> None:
    with announced(serving):
        path = serving.data / FILE
        found = msgspec.json.decode(path.read_bytes(), type=Instance)
        path.write_bytes(msgspec.json.encode(msgspec.structs.replace(found, started=1.0)))
        assert find_instance(asked.data) is None


def test_addresses_of_ones_own_need_no_instance(asked: Settings) -> None:
    given = msgspec.structs.replace(
        asked, database_url=DATABASE, redis_url=REDIS, jwt_secret=SECRET
    )
    assert with_instance(given) == given


def test_a_secret_is_made_once_and_kept_private(asked: Settings) -> None:
    first = with_secret(asked).jwt_secret
    assert len(first.encode()) >= 32
    assert with_secret(asked).jwt_secret == first
    (kept,) = asked.data.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_key_of_local_files_is_made_once_and_kept_private(asked: Settings) -> None:
    first = with_key(asked).local_storage_key
    assert len(b64decode(first)) == 32
    assert with_key(asked).local_storage_key == first
    assert load_settings({"LOCAL_STORAGE_KEY": first}).local_storage_key == first
    (kept,) = asked.data.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_only_the_running_instance_makes_that_key(asked: Settings) -> None:
    """One that each of several machines made for itself would open nothing of the others'."""
    given = msgspec.structs.replace(
        asked, database_url=DATABASE, redis_url=REDIS, jwt_secret=SECRET
    )
    assert with_instance(given).local_storage_key == ""
    made = with_key(asked).local_storage_key
    assert with_instance(given).local_storage_key == made


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:5014"), ("0.0.0.0", "http://127.0.0.1:5014")],  # noqa: S104, a listening address
)
def test_this_machine_reaches_it_on_loopback(host: str, url: str) -> None:
    assert base_url(Settings(host=host)) == url
