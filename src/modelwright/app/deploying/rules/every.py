"""All rules about targets and what runs there."""

from __future__ import annotations

from modelwright.app.deploying.rules import apps, rollout, routes, services, targets
from modelwright.app.manifest.rules.case import Rules

RULES: Rules = (*apps.RULES, *services.RULES, *routes.RULES, *targets.RULES, *rollout.RULES)
