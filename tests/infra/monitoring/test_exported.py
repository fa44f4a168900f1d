"""What ships for Prometheus and Grafana is what the rules make, and can be read there."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.monitoring import exported
from infra.monitoring.exported import expression, grafana, prometheus
from infra.monitoring.history import Query
from infra.monitoring.rules import DEFAULTS, Rule
from infra.nodes import ROLES

SHIPPED = Path(exported.__file__).parent / "shipped"


def test_what_ships_is_what_is_made() -> None:
    """After a change: `formula alerts export` anew, into infra/monitoring/shipped."""
    assert (SHIPPED / "formula.rules.yml").read_text() == prometheus(DEFAULTS)
    assert (SHIPPED / "formula.dashboard.json").read_text() == grafana(DEFAULTS)


def parsed(rules: tuple[Rule, ...]) -> list[Any]:
    return yaml.safe_load(prometheus(rules))["groups"]


def test_prometheus_has_every_threshold() -> None:
    alerts = {
        (one["alert"], one["labels"]["severity"]): one
        for group in parsed(DEFAULTS)
        for one in group["rules"]
    }
    wanted = {
        (f"formula_{rule.name}", severity)
        for rule in DEFAULTS
        for severity in ("warning", "critical")
        if getattr(rule, severity) is not None
    }
    silent = {(f"formula_{role}_silent", "critical") for role in ROLES}
    assert set(alerts) == wanted | silent
    cpu = alerts["formula_cpu", "critical"]
    assert cpu["expr"] == "max(formula_process_cpu_share) >= 0.85"
    assert (cpu["for"], cpu["keep_firing_for"]) == ("60s", "60s")
    assert cpu["labels"]["group"] == "machine"
    assert alerts["formula_api_silent", "critical"]["expr"] == 'absent(sum(up{job="formula"} == 1))'
    for role in ("projector", "worker", "scheduler"):
        there = f'count(count by (node) (formula_up{{role="{role}"}}))'
        assert alerts[f"formula_{role}_silent", "critical"]["expr"] == f"absent({there})"
    late = 'max(formula_alerts_late_seconds{role="scheduler"})'
    told = alerts["formula_alerts_late", "critical"]["expr"]
    assert told == f"({late} >= 60) or absent({late})"
    for group in parsed(DEFAULTS):
        assert set(group) == {"name", "rules"}
        for one in group["rules"]:
            assert set(one) <= {"alert", "expr", "for", "keep_firing_for", "labels", "annotations"}
            assert one["expr"].count("(") == one["expr"].count(")")


def test_a_rule_may_fire_for_both() -> None:
    rule = Rule(
        name="x", about='a "quoted" \\ text: #1', query=Query("formula_x", how="avg"), critical=2,
        no_data="fire", for_s=0.5, keep_s=0,
    )  # fmt: skip
    [group] = parsed((rule,))
    [alert] = group["rules"]
    found = "avg(avg_over_time(formula_x[60s]))"
    assert alert["expr"] == f"({found} >= 2) or absent({found})"
    assert (alert["for"], "keep_firing_for" in alert) == ("500ms", False)
    assert alert["annotations"]["description"] == rule.about


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (Query("m", "api", "a=b,c=d", 30.0, "sum"),
         'sum(increase(m{a="b",c="d",role=""}[30s]))'),
        (Query("m", "worker", how="rate"), 'sum(increase(m{role="worker"}[60s])) / 60'),
        (Query("m", how="max"), "max(max_over_time(m[60s]))"),
        (Query("m", how="ratio", whole="n", whole_labels="x=y"),
         'sum(increase(m[60s])) / sum(increase(n{x="y"}[60s]))'),
        (Query("m", labels="a=b", how="ratio", least=10),
         'sum(increase(m{a="b"}[60s])) / (sum(increase(m[60s])) >= 10)'),
        (Query("formula_gc_seconds", over_s=9, how="avg"),
         'sum(rate(formula_gc_seconds_sum[9s])) / sum(rate(formula_gc_seconds_count[9s]))'),
        (Query("formula_http_seconds", how="max"),
         "histogram_quantile(1, sum by (le) (rate(formula_http_seconds_bucket[60s])))"),
        (Query("formula_http_seconds", how="rate"),
         "sum(increase(formula_http_seconds_count[60s])) / 60"),
    ],
)  # fmt: skip
def test_queries_in_promql(query: Query, told: str) -> None:
    assert expression(query) == told


def test_grafana_shows_every_rule_once_and_none_above_another() -> None:
    dashboard = json.loads(grafana(DEFAULTS))
    panels = dashboard["panels"]
    graphs = [one for one in panels if one["type"] == "timeseries"]
    assert sorted(one["title"] for one in graphs) == sorted(rule.name for rule in DEFAULTS)
    assert len({one["id"] for one in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for one in panels:
        place = one["gridPos"]
        mine = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & mine
        cells |= mine
    [cpu] = [one for one in graphs if one["title"] == "cpu"]
    steps = cpu["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [one["value"] for one in steps] == [None, 0.7, 0.85]
    assert cpu["targets"][0]["expr"] == "max(formula_process_cpu_share)"
