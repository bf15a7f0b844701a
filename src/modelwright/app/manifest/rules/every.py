"""Every rule between the parts of a manifest: pure, over values and facts, each yielding its findings."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.app.backups import rules as backups
from modelwright.app.deploying.rules import every as deploying
from modelwright.app.deploying.rules.apps import replaced_keys
from modelwright.app.document.finding import Finding
from modelwright.app.external import rules as external
from modelwright.app.manifest.rules import (
    access,
    batching,
    doors,
    endpoints,
    limits,
    models,
    prices,
    providers,
    routing,
)
from modelwright.app.manifest.rules.case import Case, Rules
from modelwright.app.manifest.rules.policies import cache, guard
from modelwright.app.packaging import rules as packaging
from modelwright.app.pipelines import rules as pipelines
from modelwright.app.prompts import rules as prompts
from modelwright.app.resources import rules as resources
from modelwright.app.secret_stores import rules as secret_stores
from modelwright.app.sources import rules as sources
from modelwright.app.tasks import rules as tasks

RULES: Rules = (
    *models.RULES,
    *batching.RULES,
    *pipelines.RULES,
    *sources.RULES,
    *external.RULES,
    *resources.RULES,
    *providers.RULES,
    *secret_stores.RULES,
    *prices.RULES,
    *prompts.RULES,
    *endpoints.RULES,
    *routing.RULES,
    *cache.RULES,
    *guard.RULES,
    *doors.RULES,
    *limits.RULES,
    *access.RULES,
    *tasks.RULES,
    *packaging.RULES,
    *backups.RULES,
    *deploying.RULES,
)


def findings(case: Case) -> Iterator[Finding]:
    """Everything that the rules find."""
    for rule in RULES:
        yield from rule(case)


def warnings(case: Case) -> Iterator[Finding]:
    """What works but should not stay."""
    yield from prices.unused_prices(case)
    yield from resources.warnings(case)
    yield from replaced_keys(case)
    if case.environment == "development":
        yield from providers.literal_keys(case)
        yield from secret_stores.literal_credentials(case)
