"""What is worth an alert: the rules by default, and what the file ALERT_RULES changes of them.

The file is TOML with a table for each rule: what it says replaces what the default has, a new name
is a new rule, and `enabled = false` disables one.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from domain.alert import MAX_ABOUT, MAX_NAME
from domain.alert_events import Watch
from infra.monitoring.history import Query
from infra.nodes import LATE_S
from infra.settings import Settings, SettingsError

NAME = re.compile(r"[a-z][a-z0-9_]*")
METRIC = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
LABELS = re.compile(r"([a-z_]+=[^=,\"\\\n\x00]+(,[a-z_]+=[^=,\"\\\n\x00]+)*)?")
LONGEST_S = 86_400.0
TAKEN = "silences"  # by a path
FEW = 10  # sockets that end in a minute: of fewer a train in a tunnel would be most

Unit: TypeAlias = Literal["share", "seconds", "count"]


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A figure and what it may be. At or above a threshold for `for_s` the alert fires; once it
    was below `recover_at` of the threshold for `keep_s` it is over.
    """

    name: str
    about: str
    query: Query
    unit: Unit = "count"
    warning: float | None = None
    critical: float | None = None
    for_s: float = 60.0
    keep_s: float = 60.0
    recover_at: float = 0.9
    no_data: Literal["ignore", "fire"] = "ignore"
    group: str = "other"

    @property
    def watch(self) -> Watch:
        return Watch(
            rule=self.name,
            group=self.group,
            about=self.about,
            unit=self.unit,
            warning=self.warning,
            critical=self.critical,
            for_s=self.for_s,
            keep_s=self.keep_s,
            recover_at=self.recover_at,
            no_data=self.no_data,
        )


def _share(metric: str, role: str = "", over_s: float = 20.0) -> Query:
    """The busiest process: several samples' average would hide it."""
    return Query(metric, role, over_s=over_s, how="max")


def _silent(role: str, about: str) -> Rule:
    """None of a kind of process runs."""
    return Rule(
        name=f"{role}_silent",
        about=f"samples of {about} in a minute: without any, none of them runs",
        query=Query("formula_up", role, how="sum"),
        no_data="fire",
        group="processes",
    )


HTTP, CLOSED = "formula_http_seconds", "formula_ws_closed_total"

DEFAULTS: tuple[Rule, ...] = (
    Rule(
        name="cpu",
        about="CPU that a process and its children use, of what they may",
        query=_share("formula_process_cpu_share"),
        unit="share",
        warning=0.70,
        critical=0.85,
        group="machine",
    ),
    Rule(
        name="memory",
        about="memory that a process and its children use, of what they may",
        query=_share("formula_process_memory_share"),
        unit="share",
        warning=0.75,
        critical=0.90,
        group="machine",
    ),
    Rule(
        name="container_cpu",
        about="CPU that all in the container use, of its limit",
        query=_share("formula_container_cpu_share"),
        unit="share",
        warning=0.70,
        critical=0.85,
        group="machine",
    ),
    Rule(
        name="container_memory",
        about="memory that all in the container hold, but for cached files, of its limit",
        query=_share("formula_container_memory_share"),
        unit="share",
        warning=0.75,
        critical=0.90,
        group="machine",
    ),
    Rule(
        name="host_cpu",
        about="CPU that is used, of the machine's",
        query=_share("formula_host_cpu_share"),
        unit="share",
        warning=0.70,
        critical=0.85,
        group="machine",
    ),
    Rule(
        name="host_memory",
        about="memory that is used, of the machine's",
        query=_share("formula_host_memory_share"),
        unit="share",
        warning=0.75,
        critical=0.90,
        group="machine",
    ),
    Rule(
        name="disk",
        about="space that is used, of the disks with the data folder and with uploads",
        query=_share("formula_disk_used_share"),
        unit="share",
        warning=0.80,
        critical=0.90,
        group="machine",
    ),
    Rule(
        name="response_time",
        about="time in which 95 % of requests begin to be answered",
        query=Query(HTTP, how="p95"),
        unit="seconds",
        warning=0.2,
        critical=0.5,
        group="requests",
    ),
    Rule(
        name="error_rate",
        about="requests that fail for a fault of ours (5xx), of all in a minute",
        query=Query(HTTP, labels="status=5xx", how="ratio"),
        unit="share",
        warning=0.05,
        critical=0.10,
        group="requests",
    ),
    Rule(
        name="turned_away",
        about="requests a second that were refused, as a process had all it takes on to do",
        query=Query("formula_http_turned_away_total", how="rate"),
        warning=1.0,
        critical=50.0,
        group="requests",
    ),
    Rule(
        name="loop_lag",
        about="how late the event loop is, 99 % of the time",
        query=Query("formula_loop_lag_seconds", how="p99"),
        unit="seconds",
        warning=0.2,
        critical=1.0,
        group="requests",
    ),
    Rule(
        name="ws_abnormal_closes",
        about="sockets that ended without a word, of those that ended in a minute",
        query=Query(CLOSED, labels="kind=abnormal", how="ratio", least=FEW),
        unit="share",
        warning=0.05,
        critical=0.10,
        group="sockets",
    ),
    Rule(
        name="ws_missed_pings",
        about="sockets that answered no ping, of those that ended in a minute",
        query=Query(CLOSED, labels="kind=missed_ping", how="ratio", least=FEW),
        unit="share",
        warning=0.05,
        critical=0.10,
        group="sockets",
    ),
    Rule(
        name="projection_lag",
        about="age of the first event that a read model, or the jobs, have yet to see",
        query=_share("formula_projection_lag_seconds", "cluster"),
        unit="seconds",
        warning=10.0,
        critical=60.0,
        for_s=30.0,
        group="data",
    ),
    Rule(
        name="dead_letters",
        about="events that read models hold back",
        query=_share("formula_dead_letters", "cluster"),
        warning=1,
        for_s=0.0,
        group="data",
    ),
    Rule(
        name="postgres_connections",
        about="connections to Postgres, of max_connections",
        query=_share("formula_postgres_connections_share", "cluster"),
        unit="share",
        warning=0.80,
        critical=0.90,
        group="data",
    ),
    Rule(
        name="dead_jobs",
        about="jobs of a queue that were given up",
        query=_share("formula_queue_dead", "cluster"),
        warning=1,
        critical=100,
        for_s=0.0,
        group="jobs",
    ),
    Rule(
        name="late_queue",
        about="how long the first job of a queue has waited since it was due",
        query=_share("formula_queue_due_seconds", "cluster"),
        unit="seconds",
        warning=300.0,
        critical=1_800.0,
        for_s=0.0,
        group="jobs",
    ),
    _silent("api", "API processes"),
    _silent("projector", "projectors"),
    _silent("worker", "workers"),
    _silent("scheduler", "schedulers"),
    Rule(
        name="alerts_late",
        about="since when somebody should have looked at these rules",
        query=_share("formula_alerts_late_seconds", "scheduler"),
        unit="seconds",
        critical=LATE_S,
        for_s=30.0,
        no_data="fire",
        group="processes",
    ),
)
# What a scheduler that does not look at the rules cannot tell of: workers look at these as well.
OVERSEEN = frozenset({"scheduler_silent", "alerts_late"})


def load_rules(settings: Settings) -> tuple[Rule, ...]:
    """Those that are enabled. Raises SettingsError that names the rule and what is wrong."""
    if not settings.alert_rules:
        return DEFAULTS
    try:
        given = tomllib.loads(Path(settings.alert_rules).read_text())
    except (OSError, ValueError) as error:  # no TOML, or no text
        raise SettingsError(f"ALERT_RULES: {settings.alert_rules}: {error}") from error
    return merged(given)


def merged(given: Mapping[str, Any]) -> tuple[Rule, ...]:
    """The defaults with what is given. Raises SettingsError."""
    rules = {rule.name: rule for rule in DEFAULTS}
    for name, changes in given.items():
        try:
            rule = _changed(name, rules.get(name), changes)
        except ValueError as error:  # msgspec's as well
            raise SettingsError(f"ALERT_RULES: {name}: {error}") from error
        rules.pop(name, None)
        if rule is not None:
            rules[name] = rule
    return tuple(rules.values())


def _changed(name: str, known: Rule | None, changes: Any) -> Rule | None:
    """None: it is disabled. Raises ValueError."""
    if not isinstance(changes, dict):
        raise ValueError("is not a table")  # noqa: TRY004, told like every other mistake
    fields: dict[str, Any] = {} if known is None else msgspec.to_builtins(known)
    changed: dict[str, Any] = dict(changes)  # pyright: ignore[reportUnknownArgumentType]
    enabled = changed.pop("enabled", True)
    if not isinstance(enabled, bool):
        raise ValueError("`enabled` is true or false")  # noqa: TRY004, the same
    if not enabled and known is None:
        raise ValueError("is disabled, and no rule has that name")
    if isinstance(changed.get("query"), dict):
        changed["query"] = {**fields.get("query", {}), **changed["query"]}
    rule = msgspec.convert({**fields, **changed, "name": name}, Rule)
    _check(rule)
    return rule if enabled else None


def _check(rule: Rule) -> None:
    """Raises ValueError."""
    query, thresholds = rule.query, [rule.warning, rule.critical]
    set_ones = [one for one in thresholds if one is not None]
    problems = {
        "a name is of a-z, 0-9 and _": not NAME.fullmatch(rule.name) or rule.name == TAKEN,
        f"a name has at most {MAX_NAME} characters": max(len(rule.name), len(rule.group))
        > MAX_NAME,
        f"`about` has 1 to {MAX_ABOUT} characters": not 0 < len(rule.about) <= MAX_ABOUT,
        "texts are of printable characters": not (rule.about + rule.group).isprintable(),
        'needs `warning`, `critical` or `no_data = "fire"`': (
            not set_ones and rule.no_data == "ignore"
        ),
        "thresholds are above 0": any(not 0 < one < float("inf") for one in set_ones),
        "`warning` is at most `critical`": set_ones != sorted(set_ones),
        "`for_s` and `keep_s` are 0 to 86400": any(
            not 0 <= one <= LONGEST_S for one in (rule.for_s, rule.keep_s)
        ),
        "`recover_at` is above 0 and at most 1": not 0 < rule.recover_at <= 1,
        "`query.over_s` is 1 to 86400": not 1 <= query.over_s <= LONGEST_S,
        "`query.least` is 0 or more": not 0 <= query.least < float("inf"),
        "`query.metric` is no metric's name": not METRIC.fullmatch(query.metric),
        "`query.whole` is no metric's name": bool(query.whole)
        and not METRIC.fullmatch(query.whole),
        "`query.role` is no role": bool(query.role) and not NAME.fullmatch(query.role),
        "`query.labels` are as in status=5xx,method=GET": not (
            LABELS.fullmatch(query.labels) and LABELS.fullmatch(query.whole_labels)
        ),
    }
    for problem, found in problems.items():
        if found:
            raise ValueError(problem)
