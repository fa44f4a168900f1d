"""The rules: what ships, what a file may change of them, and how mistakes are told."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.commands.checks import of_machine
from infra.monitoring.history import Query
from infra.monitoring.rules import DEFAULTS, Rule, load_rules, merged
from infra.settings import Settings, SettingsError

BY_NAME = {rule.name: rule for rule in DEFAULTS}


@pytest.mark.parametrize(
    ("name", "warning", "critical"),
    [
        ("cpu", 0.70, 0.85),
        ("memory", 0.75, 0.90),
        ("response_time", 0.2, 0.5),
        ("error_rate", 0.05, 0.10),
        ("ws_abnormal_closes", 0.05, 0.10),
        ("ws_missed_pings", 0.05, 0.10),
        ("disk", 0.80, 0.90),
    ],
)
def test_the_thresholds_are_those_people_know(name: str, warning: float, critical: float) -> None:
    assert (BY_NAME[name].warning, BY_NAME[name].critical) == (warning, critical)


def test_the_defaults_are_as_strict_as_a_file_would_have_to_be() -> None:
    whole: dict[str, Any] = {rule.name: msgspec.to_builtins(rule) for rule in DEFAULTS}
    assert merged(whole) == DEFAULTS


def written(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "rules.toml"
    file.write_text(text)
    return Settings(alert_rules=str(file))


def test_a_file_changes_adds_and_disables(tmp_path: Path) -> None:
    settings = written(
        tmp_path,
        """
        [cpu]
        warning = 0.5
        query.over_s = 120

        [memory]
        enabled = false

        [slow_reports]
        about = "reports that take long"
        query = {metric = "formula_report_seconds", how = "p95"}
        unit = "seconds"
        critical = 90
        """,
    )
    rules = {rule.name: rule for rule in load_rules(settings)}
    cpu = BY_NAME["cpu"]
    query = msgspec.structs.replace(cpu.query, over_s=120)
    assert rules["cpu"] == msgspec.structs.replace(cpu, warning=0.5, query=query)
    assert "memory" not in rules
    assert rules["slow_reports"] == Rule(
        name="slow_reports",
        about="reports that take long",
        query=Query("formula_report_seconds", how="p95"),
        unit="seconds",
        critical=90,
    )
    assert len(rules) == len(DEFAULTS)
    assert load_rules(Settings()) == DEFAULTS


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[cpu", "Expected ']'"),
        ("[cpu]\nwarn = 1", "cpu: Object contains unknown field `warn`"),
        ("[cpu.query]\nmetrics = 'x'", "cpu: Object contains unknown field `metrics`"),
        ("[cpu]\nwarning = '1'", "cpu: Expected `float | null`"),
        ("[cpu]\nwarning = 0.9", "cpu: `warning` is at most `critical`"),
        ("[cpu]\nwarning = 0", "cpu: thresholds are above 0"),
        ("[cpu]\nwarning = inf", "cpu: thresholds are above 0"),
        ("[cpu]\ncritical = nan", "cpu: thresholds are above 0"),
        ("[cpu]\nfor_s = -1", "cpu: `for_s` and `keep_s`"),
        ("[cpu]\nrecover_at = 1.1", "cpu: `recover_at`"),
        ("[cpu]\nquery.how = 'p42'", "cpu: Invalid enum value 'p42'"),
        ("[cpu]\nquery.over_s = 0", "cpu: `query.over_s`"),
        ("[cpu]\nquery.least = -1", "cpu: `query.least`"),
        ("[cpu]\nquery.labels = 'a'", "cpu: `query.labels`"),
        ("[cpu]\nquery.role = 'a b'", "cpu: `query.role`"),
        ("[cpu]\nquery.metric = 'a}'", "cpu: `query.metric`"),
        ("[cpu]\nabout = ''", "cpu: `about`"),
        ('[cpu]\ngroup = "a\\nb"', "cpu: texts are"),
        ("[cpu]\nenabled = 0", "cpu: `enabled` is true or false"),
        ("cpu = 1", "cpu: is not a table"),
        ("[mine]\nenabled = false", "mine: is disabled, and no rule has that name"),
        ("[mine]\nwarning = 1", "mine: Object missing required field `about`"),
        ("[mine]\nabout = 'x'\nquery.metric = 'm'", "mine: needs `warning`"),
        ("[Mine]\nabout = 'x'\nquery.metric = 'm'\nwarning = 1", "Mine: a name"),
        ("[silences]\nabout = 'x'\nquery.metric = 'm'\nwarning = 1", "silences: a name"),
    ],
)
def test_a_mistake_is_told_by_the_rule_it_is_in(tmp_path: Path, text: str, told: str) -> None:
    settings = written(tmp_path, text)
    with pytest.raises(SettingsError, match=re.escape(told)) as caught:
        load_rules(settings)
    assert str(caught.value).startswith("ALERT_RULES: ")
    [check] = [one for one in of_machine(settings) if one.name == "alerts"]
    assert (check.state, check.detail) == ("fail", str(caught.value))


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(SettingsError, match="no-such"):
        load_rules(Settings(alert_rules="/no-such.toml"))
