"""All rules about targets and what runs there."""

from __future__ import annotations

from modelwright.app.deploying.rules import apps, local, rollout, routes, services, targets
from modelwright.app.manifest.rules.case import Rules

RULES: Rules = (*apps.RULES, *services.RULES, *routes.RULES, *targets.RULES, *local.RULES, *rollout.RULES)
