from pathlib import Path

import msgspec
import pytest

from infra.settings import (
    Settings,
    SettingsError,
    as_environment,
    child_environment,
    explain,
    load_settings,
)

URL = "postgresql://ann:secret@db.example:5432/formula"


def test_defaults_are_enough() -> None:
    assert load_settings({}) == Settings()


def test_a_variable_sets_the_field_of_its_name() -> None:
    settings = load_settings({"PORT": "8080", "FORMULA_DEMO": "false", "DATABASE_URL": URL})
    assert (settings.port, settings.formula_demo, settings.database_url) == (8080, False, URL)


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert load_settings({"PORT": "", "LOG_FORMAT": ""}) == Settings()


def test_variables_of_others_are_not_looked_at() -> None:
    assert load_settings({"PORTS": "many", "HOME": "/root"}) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "many"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("FORMULA_DEMO", "perhaps"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
        ("DATABASE_POOL_SIZE", "0"),
        ("JWT_ACCESS_TTL_S", "1"),
        ("MOTION_RETENTION_S", "59"),
        ("LOCAL_STORAGE_KEY", "c2hvcnQ="),
        ("AWS_ENDPOINT_URL", "minio:9000"),
        ("EMAIL_TIMEOUT_S", "-1"),
        ("REPORTS_TIMEOUT_S", "86401"),
        ("JOB_RETRY_BASE_S", "0"),
        ("JOB_RETRY_MOST_S", "soon"),
        ("JOB_LEASE_S", "0.5"),
    ],
)
def test_a_malformed_value_is_refused_by_the_name_of_its_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: "):
        load_settings({name: value})


def test_all_that_is_malformed_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        load_settings({"PORT": "many", "LOG_LEVEL": "loud"})
    assert {line.partition(":")[0] for line in str(error.value).split("; ")} == {
        "PORT",
        "LOG_LEVEL",
    }


def test_a_child_gets_the_same_settings() -> None:
    settings = Settings(
        port=8080, formula_demo=False, database_url=URL, mail_from="A <a@b.example>"
    )
    assert load_settings(as_environment(settings)) == settings


def test_a_child_gets_nothing_that_the_parent_did_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("PATH", "/bin")
    environment = child_environment(Settings())
    assert ("DATABASE_URL" in environment, environment["PATH"]) == (False, "/bin")


def test_what_is_explained_says_where_each_value_came_from() -> None:
    lines = {one.name: one for one in explain(load_settings({"PORT": "8080"}))}
    assert len(lines) == len(msgspec.structs.fields(Settings))
    assert (lines["PORT"].value, lines["PORT"].default) == ("8080", "5014")
    assert (lines["PORT"].source, lines["HOST"].source) == ("environment", "default")


@pytest.mark.parametrize(
    "name",
    [
        "JWT_SECRET",
        "AWS_SECRET_ACCESS_KEY",
        "CLOUDFRONT_PRIVATE_KEY",
        "REDIS_PASSWORD",
        "DATABASE_URL",
        "SMTP_URL",
    ],
)
def test_what_is_explained_hides_secrets(name: str) -> None:
    scheme = "postgresql" if name == "DATABASE_URL" else "smtp"
    value = f"{scheme}://ann:secret@mail.example" if name.endswith("_URL") else "secret"
    (line,) = [one for one in explain(load_settings({name: value})) if one.name == name]
    assert line.value
    assert "secret" not in line.value


@pytest.mark.parametrize("value", ["tcp://clamd:3310", "unix:///run/clamd.ctl", ""])
def test_a_scanner_is_reached_by_tcp_or_by_a_socket(value: str) -> None:
    assert load_settings({"CLAMAV_URL": value}).clamav_url == value


@pytest.mark.parametrize("value", ["clamd:3310", "http://clamd", "unix://run/clamd.ctl", "tcp://"])
def test_a_scanner_that_cannot_be_reached_so_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match=r"^CLAMAV_URL: "):
        load_settings({"CLAMAV_URL": value})


@pytest.mark.parametrize("value", ["nonsense", "mysql://u:topsecret@h/db"])
def test_an_address_of_something_else_is_refused_by_name_without_its_password(value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"DATABASE_URL": value})
    assert "DATABASE_URL" in str(caught.value)
    assert "topsecret" not in str(caught.value)


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("a secret of lines\n")
    assert load_settings({"JWT_SECRET_FILE": str(path)}).jwt_secret == "a secret of lines"


def test_every_secret_may_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "value"
    secrets = [one.name for one in explain(Settings()) if is_secret(one.name)]
    assert {"JWT_SECRET", "JWT_SECRET_OLD", "DATABASE_URL", "SMTP_URL"} <= set(secrets)
    for name in secrets:
        path.write_text(SAMPLES.get(name, "postgresql://db.example/formula"))
        given = load_settings({f"{name}_FILE": str(path)})
        assert getattr(given, name.lower()) == path.read_text(), name
    assert load_settings({"PORT_FILE": str(path)}) == Settings()


SAMPLES = {
    "LOCAL_STORAGE_KEY": "A" * 43 + "=",
    "SMTP_URL": "smtp://mail.example",
    "REDIS_URL": "redis://redis.example",
    "REDIS_CLUSTER_URL": "redis://redis.example",
    "ALERT_WEBHOOK_URL": "https://hooks.example",
}


def is_secret(name: str) -> bool:
    (field,) = [one for one in msgspec.structs.fields(Settings) if one.name.upper() == name]
    meta: tuple[msgspec.Meta, ...] = getattr(field.type, "__metadata__", ())
    return any((one.extra_json_schema or {}).get("secret") for one in meta)


def test_a_file_that_cannot_be_read_and_a_secret_given_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^JWT_SECRET_FILE: .*missing: No such file"):
        load_settings({"JWT_SECRET_FILE": str(tmp_path / "missing")})
    path = tmp_path / "secret"
    path.write_text("the one")
    with pytest.raises(SettingsError, match=r"^JWT_SECRET: is set, and JWT_SECRET_FILE") as caught:
        load_settings({"JWT_SECRET": "another", "JWT_SECRET_FILE": str(path)})
    assert "the one" not in str(caught.value)
    assert "another" not in str(caught.value)


def test_what_is_malformed_in_a_file_is_not_told(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not text"):
        load_settings({"JWT_SECRET_FILE": str(path)})
    path.write_text("hunter2")
    with pytest.raises(SettingsError, match=r"^DATABASE_URL: ") as caught:
        load_settings({"DATABASE_URL_FILE": str(path)})
    assert "hunter2" not in str(caught.value)


def test_a_child_gets_the_secret_and_not_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    path.write_text("of the file")
    monkeypatch.setenv("JWT_SECRET_FILE", str(path))
    monkeypatch.delenv("JWT_SECRET", raising=False)
    settings = load_settings()
    (shown,) = [one for one in explain(settings) if one.name == "JWT_SECRET"]
    assert (shown.source, shown.value) == ("file", "********")
    child = child_environment(settings)
    assert load_settings(child) == settings
    assert "JWT_SECRET_FILE" not in child
