"""Alertmanager: whom alerts go to, by a file of the user's or to one webhook."""

from __future__ import annotations

from typing import Any

from modelwright.app.deploying.desired.apps import secret_mount
from modelwright.app.deploying.desired.kept.around import Around, Parts, yaml
from modelwright.app.deploying.sections.services import ServiceSection
from modelwright.app.deploying.services import ALERTMANAGER, KINDS
from modelwright.core.deploying.places import SECRETS


def alertmanager(section: ServiceSection, around: Around) -> Parts:
    """One alone; its settings may hold passwords, whoever has written them."""
    if section.config:
        settings = around.file(section.config).read_text("utf-8")
    else:
        settings = yaml(_settings(around.values.fill(section.webhook) if section.webhook is not None else ""))
    file = secret_mount(f"{SECRETS}/alertmanager.yml", settings, around.brought)
    secrets = (
        secret_mount(f"{SECRETS}/{name}", around.values.fill(value), around.brought)
        for name, value in sorted(section.secrets.items())
    )
    command = (f"--config.file={file.path}", f"--storage.path={KINDS[ALERTMANAGER].data}", "--cluster.listen-address=")
    return Parts({}, (file, *secrets), command, outside=True)


def _settings(webhook: str) -> dict[str, Any]:
    """What is critical is said again each hour, the rest twice a day; what has ended is said, too."""
    again = {"matchers": ['severity="critical"'], "repeat_interval": "1h"}
    return {
        "route": {
            "receiver": "webhook",
            "group_by": ["alertname", "release"],
            "group_wait": "10s",
            "group_interval": "1m",
            "repeat_interval": "12h",
            "routes": [again],
        },
        "receivers": [{"name": "webhook", "webhook_configs": [{"url": webhook, "send_resolved": True}]}],
    }
