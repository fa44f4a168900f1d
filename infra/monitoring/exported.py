"""The rules for others: alert rules for Prometheus, a dashboard for Grafana."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from infra.monitoring.history import SHARES, Query
from infra.monitoring.rules import Rule
from infra.monitoring.samples import UP

API = "api"  # whose own series have no label `role`, and whose UP is what Prometheus knows as `up`
JOB = 'job="formula"'
# Of what has no `_total` in its name, those that are spreads; all else is a gauge.
SPREADS = frozenset(
    {
        "formula_http_seconds",
        "formula_loop_lag_seconds",
        "formula_gc_seconds",
        "formula_gateway_latency_seconds",
    }
)
LOOK_BACK_S = 60.0  # shorter windows are there for whoever samples more often than is scraped
UNITS = {"share": "percentunit", "seconds": "s", "count": "short"}
HEAD = """\
# Alert rules of Formula for Prometheus 2.42 or newer, which scrapes /metrics as job "formula"
# every 15 s or so.
# Made by `formula alerts export prometheus`.
"""


def expression(query: Query) -> str:
    """In PromQL. A window is in whole seconds."""
    over = f"[{max(round(query.over_s), 1)}s]"
    chosen = _selector(query.metric, query.role, query.labels)
    if query.metric == UP:
        return _running(query.role, chosen)
    match query.how:
        case "ratio":
            of = _selector(query.whole or query.metric, query.role, query.whole_labels)
            whole = f"sum({_rose(of, over)})"
            enough = f"({whole} >= {query.least:g})" if query.least else whole
            return f"sum({_rose(chosen, over)}) / {enough}"
        case "sum":
            return f"sum({_rose(chosen, over)})"
        case "rate":
            return f"sum({_rose(chosen, over)}) / {max(round(query.over_s), 1)}"
        case "avg" if query.metric in SPREADS:
            sums, counts = _suffixed(chosen, "_sum"), _suffixed(chosen, "_count")
            return f"sum(rate({sums}{over})) / sum(rate({counts}{over}))"
        case "max" if query.metric in SPREADS:
            return _quantile(1.0, chosen, over)
        case "avg":
            return f"avg(avg_over_time({chosen}{over}))"
        case "max" if query.over_s < LOOK_BACK_S:
            return f"max({chosen})"
        case "max":
            return f"max(max_over_time({chosen}{over}))"
        case _:
            return _quantile(SHARES[query.how], chosen, over)


def _running(role: str, chosen: str) -> str:
    """How many processes; of those without a port each API process tells."""
    return f"sum(up{{{JOB}}} == 1)" if role == API else f"count(count by (node) ({chosen}))"


def _quantile(share: float, chosen: str, over: str) -> str:
    buckets = _suffixed(chosen, "_bucket")
    return f"histogram_quantile({share:g}, sum by (le) (rate({buckets}{over})))"


def _selector(metric: str, role: str, labels: str) -> str:
    pairs = [part.split("=", 1) for part in labels.split(",") if part]
    if role:
        pairs.append(["role", "" if role == API else role])
    inside = ",".join(f'{name}="{value}"' for name, value in pairs)
    return f"{metric}{{{inside}}}" if inside else metric


def _suffixed(selector: str, suffix: str) -> str:
    metric, brace, rest = selector.partition("{")
    return f"{metric}{suffix}{brace}{rest}"


def _rose(selector: str, over: str) -> str:
    spread = selector.partition("{")[0] in SPREADS
    return f"increase({_suffixed(selector, '_count') if spread else selector}{over})"


def prometheus(rules: Sequence[Rule]) -> str:
    """A file of rules, in YAML."""
    lines = ["groups:"]
    for group, members in _grouped(rules):
        lines += [f"  - name: {_text(f'formula_{group}')}", "    rules:"]
        for rule in members:
            for severity, found in _breaches(rule):
                lines += _alert(rule, severity, found)
    return HEAD + "\n".join(lines) + "\n"


def _grouped(rules: Sequence[Rule]) -> Iterable[tuple[str, list[Rule]]]:
    ordered = sorted(rules, key=lambda rule: rule.group)
    return [(group, list(members)) for group, members in groupby(ordered, lambda r: r.group)]


def _breaches(rule: Rule) -> list[tuple[str, str]]:
    """Severities, and when they are due."""
    found = expression(rule.query)
    thresholds = {"warning": rule.warning, "critical": rule.critical}
    due = {name: f"{found} >= {one:g}" for name, one in thresholds.items() if one is not None}
    if rule.no_data == "fire":
        worst = "warning" if list(due) == ["warning"] else "critical"
        missing = f"absent({found})"
        due[worst] = f"({due[worst]}) or {missing}" if worst in due else missing
    return list(due.items())


def _alert(rule: Rule, severity: str, found: str) -> list[str]:
    fields = [
        f"      - alert: {_text(f'formula_{rule.name}')}",
        f"        expr: {_text(found)}",
        f"        for: {_duration(rule.for_s)}",
        f"        keep_firing_for: {_duration(rule.keep_s)}",
        "        labels:",
        f"          severity: {severity}",
        f"          group: {_text(rule.group)}",
        "        annotations:",
        f"          summary: {_text(f'{rule.name} is {severity}')}",
        f"          description: {_text(rule.about)}",
    ]
    return [line for line in fields if not line.endswith("keep_firing_for: 0s")]


def _text(text: str) -> str:
    """JSON's texts are YAML's."""
    return json.dumps(text)


def _duration(seconds: float) -> str:
    whole = float(seconds).is_integer()
    return f"{int(seconds)}s" if whole else f"{max(round(seconds * 1_000), 1)}ms"


def grafana(rules: Sequence[Rule]) -> str:
    """A dashboard to be imported: a row for each group, a graph for each rule."""
    panels: list[Mapping[str, Any]] = []
    y = 0
    for group, members in _grouped(rules):
        place = {"h": 1, "w": 24, "x": 0, "y": y}
        panels.append({"id": len(panels) + 1, "type": "row", "title": group, "gridPos": place})
        for number, rule in enumerate(members):
            at = {"h": 8, "w": 12, "x": 12 * (number % 2), "y": y + 1 + 8 * (number // 2)}
            panels.append(_panel(rule, len(panels) + 1, at))
        y += 1 + 8 * ((len(members) + 1) // 2)
    source = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    dashboard = {
        "uid": "formula",
        "title": "Formula",
        "tags": ["formula"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [source]},
        "panels": panels,
    }
    return json.dumps(dashboard, indent=2) + "\n"


def _panel(rule: Rule, number: int, place: Mapping[str, int]) -> Mapping[str, Any]:
    source = {"type": "prometheus", "uid": "${source}"}
    steps: list[Mapping[str, Any]] = [{"color": "green", "value": None}]
    for color, threshold in (("orange", rule.warning), ("red", rule.critical)):
        if threshold is not None:
            steps.append({"color": color, "value": threshold})
    return {
        "id": number,
        "type": "timeseries",
        "title": rule.name,
        "description": rule.about,
        "gridPos": place,
        "datasource": source,
        "targets": [{"refId": "A", "datasource": source, "expr": expression(rule.query)}],
        "fieldConfig": {
            "defaults": {
                "unit": UNITS[rule.unit],
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": steps},
                "custom": {"thresholdsStyle": {"mode": "line"}, "fillOpacity": 10},
            },
            "overrides": [],
        },
    }
