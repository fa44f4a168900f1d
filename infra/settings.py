"""Settings: one frozen Struct, read once from the environment, all or nothing."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from infra import setting_kinds as kinds


class SettingsError(Exception):
    """A setting is missing or malformed: one line for each, naming the variable."""


IN_FILE = "_FILE"  # after a secret's name: the file that has it


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every knob. The variable is the field's name in capitals; units are in names."""

    host: Annotated[str, Meta(description="address the API listens on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65_535, description="port of REST and WebSocket")] = 5014
    formula_data: Annotated[str, Meta(description="folder of the embedded servers")] = ".formula"
    formula_demo: Annotated[bool, Meta(description="seed and simulate a demo workspace")] = True
    log_format: Annotated[str, Meta(pattern="^(json|pretty)$", description="json or pretty")] = (
        "json"
    )
    log_level: Annotated[str, Meta(pattern="^(debug|info|warning|error)$")] = "info"
    log_syslog_url: Annotated[
        str,
        Meta(
            description="logs go there too: udp://host:port, tcp://host:port, unix:///dev/log",
            pattern=kinds.SYSLOG,
        ),
    ] = ""
    otel_exporter_otlp_endpoint: Annotated[
        str,
        Meta(description="OTLP/HTTP receiver of traces and logs; empty: none", pattern=kinds.HTTP),
    ] = ""
    otel_exporter_otlp_headers: Annotated[
        str, kinds.secret("sent with each batch: name=value, by commas")
    ] = ""
    otel_traces_sampler_arg: Annotated[
        float, Meta(ge=0, le=1, description="share of traces collected where the caller has no say")
    ] = 0.1
    otel_logs_exporter: Annotated[
        str, Meta(pattern="^(otlp|none)$", description="none: the receiver takes no logs")
    ] = "otlp"

    database_url: Annotated[
        str, kinds.secret("Postgres; empty: the embedded server", kinds.POSTGRES)
    ] = ""
    database_replica_url: Annotated[
        str, kinds.secret("streaming replica for queries", kinds.POSTGRES)
    ] = ""
    database_pool_size: Annotated[int, Meta(ge=1, le=200, description="connections a process")] = 10
    event_compress_above: Annotated[
        int,
        Meta(ge=0, description="bytes of an event above which it is stored compressed; 0: never"),
    ] = 0
    motion_retention_s: Annotated[
        int, Meta(ge=60, description="cursors and typing stay in the log for at least so long")
    ] = 7 * 86_400
    room_log_kept_s: Annotated[
        int,
        Meta(
            ge=3_600,
            description="frames of rooms stay so long for who comes back; older: a snapshot",
        ),
    ] = 7 * 86_400
    rebuild_on_deploy: Annotated[
        bool, Meta(description="a changed read model is built anew by itself")
    ] = True
    redis_url: Annotated[str, kinds.secret("Redis; empty: the embedded Valkey", kinds.REDIS)] = ""
    redis_password: Annotated[str, kinds.secret("password of REDIS_URL where it has none")] = ""
    redis_cluster_url: Annotated[
        str,
        kinds.secret(
            "a node of a cluster that carries the live frames; empty: REDIS_URL", kinds.REDIS
        ),
    ] = ""
    redis_prefix: Annotated[str, Meta(description="put before every key and channel")] = "formula:"

    jwt_secret: Annotated[
        str, kinds.secret("signs access tokens and links; empty: made on the first start")
    ] = ""
    jwt_secret_old: Annotated[
        str, kinds.secret("the JWT_SECRET before: what it signed and sealed still holds")
    ] = ""
    jwt_access_ttl_s: Annotated[
        int, Meta(ge=30, le=86_400, description="life of an access token")
    ] = 900
    jwt_refresh_ttl_s: Annotated[int, Meta(ge=60, description="life of a refresh token")] = (
        30 * 86_400
    )

    metrics_token: Annotated[
        str, kinds.secret("bearer token for /metrics; empty: operators' access tokens only")
    ] = ""

    metrics_every_s: Annotated[
        int, Meta(ge=1, le=60, description="between two samples that a process writes of itself")
    ] = 10
    cpu_limit: Annotated[
        float,
        Meta(ge=0, description="cores that a process may use; 0: its cgroup's, or the machine's"),
    ] = 0.0
    memory_limit: Annotated[
        int,
        Meta(ge=0, description="bytes that a process may use; 0: its cgroup's, or the machine's"),
    ] = 0

    alert_rules: Annotated[
        str, Meta(description="TOML file that changes, adds or disables alert rules; empty: none")
    ] = ""
    alert_webhook_url: Annotated[
        str, kinds.secret("http(s)://… that is told of alerts; empty: none", kinds.HTTP)
    ] = ""
    alert_webhook_secret: Annotated[str, kinds.secret("signs what ALERT_WEBHOOK_URL gets")] = ""
    alert_webhook_private: Annotated[
        bool, Meta(description="ALERT_WEBHOOK_URL may be on a private or loopback address")
    ] = False

    aws_access_key_id: Annotated[str, kinds.secret("S3 credentials")] = ""
    aws_secret_access_key: Annotated[str, kinds.secret("S3 credentials")] = ""
    aws_s3_bucket: Annotated[str, Meta(description="bucket for files")] = ""
    aws_region: str = "us-east-1"
    aws_endpoint_url: Annotated[
        str, Meta(description="a server that speaks S3; empty: Amazon's", pattern=kinds.HTTP)
    ] = ""
    aws_ca_bundle: Annotated[
        str, Meta(description="PEM of who signs that server's certificate; empty: the usual ones")
    ] = ""
    aws_kms_key_id: Annotated[
        str, Meta(description="KMS key that S3 encrypts files with; empty: S3's own (AES256)")
    ] = ""
    cloudfront_url: Annotated[
        str,
        Meta(description="https://… of the CDN before the bucket; empty: none", pattern=kinds.HTTP),
    ] = ""
    cloudfront_key_pair_id: Annotated[str, Meta(description="which key CloudFront checks by")] = ""
    cloudfront_private_key: Annotated[
        str, kinds.secret("RSA key in PEM that signs links to the CDN; \\n stands for a line break")
    ] = ""
    max_file_size: Annotated[int, Meta(ge=1, description="bytes of one upload")] = 104_857_600
    files_quota_project: Annotated[
        int, Meta(ge=0, description="bytes that a project may keep; 0: no limit")
    ] = 50 * 2**30
    files_quota_person: Annotated[
        int, Meta(ge=0, description="bytes that a person may bring; 0: no limit")
    ] = 20 * 2**30
    deleted_files_kept_s: Annotated[
        int, Meta(ge=3_600, description="deleted files can be restored for so long")
    ] = 30 * 86_400
    clamav_url: Annotated[
        str,
        Meta(
            description="clamd that scans uploads, tcp://host:port or unix:///socket;"
            " empty: built-in signatures",
            pattern=kinds.CLAMAV,
        ),
    ] = ""
    local_storage_enabled: bool = True
    local_storage_path: str = "./uploads"
    local_storage_key: Annotated[
        str,
        kinds.secret("seals files on the local disk; empty: made on the first start", kinds.KEYS),
    ] = ""
    local_public_url: str = "http://localhost:5014/uploads"

    rate_limit_window_ms: Annotated[int, Meta(ge=1, description="of the next three")] = 900_000
    rate_limit_max_requests: Annotated[
        int, Meta(ge=0, description="requests of an address without a token; 0: no limit")
    ] = 100
    rate_limit_user_max_requests: Annotated[
        int, Meta(ge=0, description="requests of a user; 0: no limit")
    ] = 6_000
    rate_limit_login_attempts: Annotated[
        int, Meta(ge=0, description="wrong passwords for one account from one address; 0: no limit")
    ] = 10
    rate_limit_actions_per_minute: Annotated[
        int, Meta(ge=0, description="of a user, in rooms; 0: no limit")
    ] = 50
    rate_limit_motion_per_s: Annotated[
        int, Meta(ge=0, description="cursors, typing, selections of a connection; 0: no limit")
    ] = 100
    rate_limit_frames_per_s: Annotated[
        int, Meta(ge=0, description="frames of any kind of a connection; 0: no limit")
    ] = 200
    max_connections_per_user: Annotated[
        int, Meta(ge=0, description="WebSockets of a user, on all nodes; 0: no limit")
    ] = 20
    max_connections_per_address: Annotated[
        int, Meta(ge=0, description="WebSockets of an address, on all nodes; 0: no limit")
    ] = 100
    trusted_proxies: Annotated[
        str, Meta(description="addresses and networks, by commas, that X-Forwarded-For is taken of")
    ] = ""
    allowed_origins: Annotated[
        str,
        Meta(description="of pages that may call REST and open WebSockets; empty: the same host"),
    ] = ""
    websocket_deflate: Annotated[
        bool, Meta(description="offer compression: for slow links, at a price in CPU and memory")
    ] = False

    email_workers: kinds.Workers = 5
    email_retries: kinds.Retries = 3
    email_per_minute: kinds.PerMinute = 0
    email_timeout_s: kinds.TimeoutS = 0
    reports_workers: kinds.Workers = 2
    reports_retries: kinds.Retries = 2
    reports_per_minute: kinds.PerMinute = 0
    reports_timeout_s: kinds.TimeoutS = 0
    files_workers: kinds.Workers = 3
    files_retries: kinds.Retries = 3
    files_per_minute: kinds.PerMinute = 0
    files_timeout_s: kinds.TimeoutS = 0
    notifications_workers: kinds.Workers = 10
    notifications_retries: kinds.Retries = 5
    notifications_per_minute: kinds.PerMinute = 0
    notifications_timeout_s: kinds.TimeoutS = 0
    analytics_workers: kinds.Workers = 1
    analytics_retries: kinds.Retries = 2
    analytics_per_minute: kinds.PerMinute = 0
    analytics_timeout_s: kinds.TimeoutS = 0
    maintenance_workers: kinds.Workers = 1
    maintenance_retries: kinds.Retries = 2
    maintenance_per_minute: kinds.PerMinute = 0
    maintenance_timeout_s: kinds.TimeoutS = 0
    job_retry_base_s: Annotated[
        float, Meta(ge=0.1, le=3_600, description="most before the first retry, then doubled")
    ] = 15.0
    job_retry_most_s: Annotated[
        float, Meta(ge=0.1, le=86_400, description="most before any retry of a job")
    ] = 600.0
    job_lease_s: Annotated[
        float, Meta(ge=1, le=60, description="a worker silent for longer has lost its jobs")
    ] = 3.0
    jobs_kept_s: Annotated[
        int, Meta(ge=60, description="jobs that are over, with result and log, stay so long")
    ] = 7 * 86_400
    dead_jobs_kept_s: Annotated[
        int, Meta(ge=60, description="dead jobs stay so long for operators to retry")
    ] = 30 * 86_400
    reports_kept_s: Annotated[
        int, Meta(ge=60, description="reports, and the links to them, live so long")
    ] = 30 * 86_400
    jobs_late_s: Annotated[
        int, Meta(ge=1, description="a due job that waits longer than this raises an alarm")
    ] = 300
    time_zone: Annotated[str, Meta(description="of the schedules' hours, an IANA name")] = "UTC"

    smtp_url: Annotated[
        str, kinds.secret("smtp[s]://user:password@host:port; empty: MAIL_FOLDER", kinds.SMTP)
    ] = ""
    mail_from: Annotated[str, Meta(description="sender of every mail")] = (
        "Formula <no-reply@formula.invalid>"
    )
    mail_folder: Annotated[str, Meta(description="mailbox folder used without SMTP_URL")] = ""
    public_url: Annotated[str, Meta(description="address people reach this at, for links")] = (
        "http://localhost:5014"
    )

    @property
    def data(self) -> Path:
        return Path(self.formula_data).resolve()

    @property
    def mailbox(self) -> Path:
        return Path(self.mail_folder).resolve() if self.mail_folder else self.data / "mail"


class Setting(msgspec.Struct, frozen=True):
    """One line of `formula doctor`: where a value came from. Secrets are masked."""

    name: str
    value: str
    default: str
    source: str  # "environment", "file" or "default"
    about: str


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. Raises SettingsError that names each bad variable."""
    environ = os.environ if environ is None else environ
    problems: list[str] = []
    given = {
        field.name: value
        for field in _fields()
        if (value := _given(field, environ, problems)) != ""
    }
    for name, value in given.items():
        try:
            msgspec.convert({name: value}, Settings, strict=False)
        except msgspec.ValidationError as error:
            problems.append(f"{name.upper()}: {str(error).split(' - at')[0]}")
    if problems:
        raise SettingsError("; ".join(problems))
    return msgspec.convert(given, Settings, strict=False)


def _given(
    field: msgspec.structs.FieldInfo, environ: Mapping[str, str], problems: list[str]
) -> str:
    """A variable's text; a secret's may be in the file that the variable `…_FILE` names."""
    name = field.name.upper()
    value, path = environ.get(name, ""), environ.get(name + IN_FILE, "")
    if not (path and _is_secret(field)):
        return value
    if value:
        problems.append(f"{name}: is set, and {name}{IN_FILE} as well")
        return ""
    try:
        return Path(path).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        problems.append(f"{name}{IN_FILE}: {path}: {reason}")
        return ""


def explain(settings: Settings) -> list[Setting]:
    """Every setting with its source and default, in the order of declaration."""
    return [_explained(field, getattr(settings, field.name)) for field in _fields()]


def secrets(settings: Settings) -> list[str]:
    """The values of those that are secret, as far as they are given."""
    return [
        value
        for field in _fields()
        if _is_secret(field) and (value := str(getattr(settings, field.name)))
    ]


def as_environment(settings: Settings) -> dict[str, str]:
    """The variables that make load_settings return `settings` in a child process."""
    return {
        field.name.upper(): _text(getattr(settings, field.name))
        for field in _fields()
        if getattr(settings, field.name) != field.default
    }


def child_environment(settings: Settings) -> dict[str, str]:
    """This process's environment with `settings` laid over it."""
    names = {field.name.upper() + more for field in _fields() for more in ("", IN_FILE)}
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return kept | as_environment(settings)


def _fields() -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(Settings)


def _explained(field: msgspec.structs.FieldInfo, value: object) -> Setting:
    meta, secret = _meta(field), _is_secret(field)
    default = "" if field.default is UNSET else _text(field.default)
    return Setting(
        name=field.name.upper(),
        value=_masked(_text(value)) if secret else _text(value),
        default=default,
        source=_source(field, value),
        about=(meta.description or "") if meta else "",
    )


def _source(field: msgspec.structs.FieldInfo, value: object) -> str:
    if value == field.default:
        return "default"
    named = os.environ.get(field.name.upper() + IN_FILE)
    return "file" if named and _is_secret(field) else "environment"


def _is_secret(field: msgspec.structs.FieldInfo) -> bool:
    meta = _meta(field)
    return bool(meta and (meta.extra_json_schema or {}).get("secret"))


def _meta(field: msgspec.structs.FieldInfo) -> Meta | None:
    annotations: tuple[Any, ...] = getattr(field.type, "__metadata__", ())
    return annotations[0] if annotations else None


def _masked(text: str) -> str:
    """A URL keeps its host, everything else only says that it is set."""
    if not text:
        return ""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return "********"
    return f"{scheme}://********@{rest.rpartition('@')[2]}" if "@" in rest else text


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
