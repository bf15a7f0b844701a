"""Rows of panels as a dashboard that Grafana 9 and later takes from a file."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

Kind = Literal["timeseries", "stat"]
_SOURCE = {"type": "prometheus", "uid": "${source}"}
_ACROSS = 24
"""Columns that Grafana divides a page into."""
_HEIGHTS: dict[Kind, int] = {"timeseries": 8, "stat": 4}


class Query(NamedTuple):
    """What is asked, and what each line is called."""

    expression: str
    legend: str


class Panel(NamedTuple):
    """One picture."""

    title: str
    unit: str
    """As Grafana calls it: reqps, percentunit, s, short …"""
    queries: tuple[Query, ...]
    text: str = ""
    """What it shows, where its title does not say so."""
    kind: Kind = "timeseries"


class Dashboard(NamedTuple):
    """A page."""

    uid: str
    title: str
    choices: dict[str, str]
    """Variables by which it is narrowed down: the metric that tells the values of the label of that name."""
    rows: tuple[tuple[Panel, ...], ...]


def drawn(dashboard: Dashboard) -> dict[str, Any]:
    """As its file has it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row in dashboard.rows:
        height = max(_HEIGHTS[panel.kind] for panel in row)
        width = _ACROSS // len(row)
        for number, panel in enumerate(row):
            place = {"h": height, "w": width, "x": number * width, "y": top}
            panels.append({"id": len(panels) + 1, "gridPos": place, **_panel(panel)})
        top += height
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["modelwright"],
        "schemaVersion": 38,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_source(), *(_choice(name, metric) for name, metric in dashboard.choices.items())]},
        "panels": panels,
    }


def _panel(panel: Panel) -> dict[str, Any]:
    options: dict[str, Any] = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    if panel.kind == "stat":
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": options,
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": _SOURCE,
                "expr": query.expression,
                "legendFormat": query.legend,
            }
            for number, query in enumerate(panel.queries)
        ],
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"}


def _choice(name: str, metric: str) -> dict[str, Any]:
    question = f"label_values({metric}, {name})"
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": _SOURCE,
        "definition": question,
        "query": {"query": question, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }
