"""Grafana: who comes in, where it finds what it shows, and the pages that come along."""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.app.deploying.desired.apps import file_mount, secret_mount
from modelwright.app.deploying.desired.kept.around import Around, Parts, yaml
from modelwright.app.deploying.sections.services import ServiceSection
from modelwright.app.deploying.services import LOKI, PROMETHEUS
from modelwright.core.deploying.places import SECRETS
from modelwright.observe.dashboards.edge import EDGE
from modelwright.observe.dashboards.gateway import GATEWAY
from modelwright.observe.dashboards.panels import drawn

_PROVISIONING = "/etc/grafana/provisioning"
_PAGES = "/etc/grafana/dashboards"
_QUIET = {
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    "GF_NEWS_NEWS_FEED_ENABLED": "false",
}
"""It reports to nobody."""


def grafana(_: ServiceSection, around: Around) -> Parts:
    """`admin` comes in; what is changed by hand stays with its data, the pages that come along are as they come."""
    brought = around.brought
    word = secret_mount(f"{SECRETS}/grafana_password", around.values.password("grafana"), brought)
    shown = {"gateway": GATEWAY, **({"edge": EDGE} if around.has_numbers_of_edge else {})}
    pages = (
        file_mount(f"{_PAGES}/{name}.json", msgspec.json.format(msgspec.json.encode(drawn(page))) + b"\n", brought)
        for name, page in shown.items()
    )
    found = {"name": "modelwright", "folder": "Modelwright", "type": "file", "options": {"path": _PAGES}}
    provider = yaml({"apiVersion": 1, "providers": [found]})
    listed = file_mount(f"{_PROVISIONING}/dashboards/modelwright.yaml", provider.encode(), brought)
    sources, hidden = _sources(around)
    path = f"{_PROVISIONING}/datasources/modelwright.yaml"
    source = secret_mount(path, sources, brought) if hidden else file_mount(path, sources.encode(), brought)
    env = {"GF_SECURITY_ADMIN_PASSWORD__FILE": word.path, **_QUIET}
    return Parts(env, (word, source, listed, *pages), outside=any(map(around.is_elsewhere, (PROMETHEUS, LOKI))))


def _sources(around: Around) -> tuple[str, bool]:
    """What it asks, and whether a secret stands there. It fills in variables after a `$`, unless there are two."""
    there = [name for name in (PROMETHEUS, LOKI) if around.service(name) is not None]
    listed: list[dict[str, Any]] = [
        {
            "name": name.capitalize(),
            "uid": name,
            "type": name,
            "access": "proxy",
            "url": around.values.service(name, "url").replace("$", "$$"),
            "isDefault": name == PROMETHEUS,
        }
        for name in there
    ]
    return yaml({"apiVersion": 1, "datasources": listed}), any(map(around.is_hidden, there))
