"""Every picture asks for what is really told, by labels that it really has, in words that Prometheus understands."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from modelwright.observe.alerts import ALERTS
from modelwright.observe.dashboards.edge import EDGE
from modelwright.observe.dashboards.gateway import GATEWAY
from modelwright.observe.dashboards.panels import Dashboard, drawn
from tests.unit.observe.test_alerts import promtool

BOTH = (GATEWAY, EDGE)
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"
"""Made from the tables and from models that run: a house test holds it to them."""
ROW = re.compile(r"^\| `(modelwright_\w+)` \| (\w+) \| ([\w, ]*)\|", re.MULTILINE)
OURS = re.compile(r"modelwright_\w+")
BY = re.compile(r"by \(([\w, ]+)\)")
GIVEN = {"job", "instance", "release", "workload", "le"}
"""Labels that Prometheus adds, and that buckets have."""
OF_HAPROXY = {"proxy", "server", "code"}


def expressions(dashboard: Dashboard) -> list[str]:
    return [query.expression for row in dashboard.rows for panel in row for query in panel.queries]


def told() -> dict[str, set[str]]:
    """Labels by name, as /metrics has them."""
    found: dict[str, set[str]] = {}
    for name, kind, labels in ROW.findall(PAGE.read_text("utf-8")):
        for ending in ("_bucket", "_count", "_sum") if kind == "histogram" else ("",):
            found[f"{name}{ending}"] = {*filter(None, labels.replace(" ", "").split(","))}
    return found


EVERY = [*(alert.expression for alert in ALERTS), *(one for dashboard in BOTH for one in expressions(dashboard))]


@pytest.mark.parametrize("expression", EVERY)
def test_what_is_asked_for_is_told_and_by_these_labels(expression: str) -> None:
    known = told()
    asked = set(OURS.findall(expression))
    assert asked <= {*known}
    labels = GIVEN.union(*(known[name] for name in asked), OF_HAPROXY if "haproxy_" in expression else set())
    assert {label for names in BY.findall(expression) for label in names.replace(" ", "").split(",")} <= labels
    matched = {
        label for inside in re.findall(r"\{([^}]*)\}", expression) for label in re.findall(r"(\w+)(?:=|!)", inside)
    }
    assert matched <= labels


def test_prometheus_understands_every_question(tmp_path: Path) -> None:
    asked = [
        {"record": f"asked:{number}", "expr": one.replace("$__rate_interval", "5m").replace("$", "")}
        for number, one in enumerate(one for dashboard in BOTH for one in expressions(dashboard))
    ]
    file = tmp_path / "asked.yml"
    file.write_bytes(msgspec.json.encode({"groups": [{"name": "asked", "rules": asked}]}))
    assert f"{len(asked)} rules found" in promtool("check", "rules", str(file))


@pytest.mark.parametrize("dashboard", BOTH)
def test_panels_have_places_of_their_own_and_lines_names_of_what_they_are_by(dashboard: Dashboard) -> None:
    page = drawn(dashboard)
    taken: set[tuple[int, int]] = set()
    for panel in page["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
        for target in panel["targets"]:
            by = {label for names in BY.findall(target["expr"]) for label in names.replace(" ", "").split(",")}
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= by, panel["title"]
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
            assert used <= {one["name"] for one in page["templating"]["list"]}
    assert [panel["id"] for panel in page["panels"]] == list(range(1, len(page["panels"]) + 1))
