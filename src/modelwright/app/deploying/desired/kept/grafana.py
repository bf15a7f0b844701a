"""Grafana: who comes in, and where it finds what it shows."""

from __future__ import annotations

from modelwright.app.deploying.desired.apps import file_mount, secret_mount
from modelwright.app.deploying.desired.kept.around import Around, Parts
from modelwright.app.deploying.sections.services import ServiceSection
from modelwright.core.deploying.places import SECRETS


def grafana(_: ServiceSection, around: Around) -> Parts:
    """`admin` comes in, and finds Prometheus; what is changed by hand stays with its data."""
    word = secret_mount(f"{SECRETS}/grafana_password", around.values.password("grafana"), around.brought)
    env = {
        "GF_SECURITY_ADMIN_PASSWORD__FILE": word.path,
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    }
    source = file_mount("/etc/grafana/provisioning/datasources/modelwright.yaml", _SOURCES.encode(), around.brought)
    return Parts(env, (word, source))


_SOURCES = """\
apiVersion: 1
datasources:
  - {name: Prometheus, type: prometheus, access: proxy, url: "http://prometheus:9090", isDefault: true}
"""
