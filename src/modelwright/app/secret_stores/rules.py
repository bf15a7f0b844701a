"""What must be true of secret stores: the keys of their kind, and credentials that come from outside."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules, has_unknown
from modelwright.app.manifest.secret import Secret
from modelwright.app.manifest.sections.section import Section

_NEEDED = {
    "age": {"source": "source: ./secrets.age", "identity": "identity: ${file:./age.key}"},
}


def _stores(case: Case) -> Iterator[Finding]:
    for name, store in case.manifest.secrets.items():
        here: Path = ("secrets", name)
        for key, example in _NEEDED[store.kind].items():
            if not getattr(store, key) and not has_unknown(case, (*here, key)):
                yield Finding(here, f"a store of kind {store.kind} needs `{key}`", f"write such as `{example}`")


def literal_credentials(case: Case) -> Iterator[Finding]:
    """Credentials that stand in the file itself."""
    for name, store in case.manifest.secrets.items():
        for path in _credentials(store, ("secrets", name)):
            if path not in case.outside and path not in case.unknown:
                problem = "what opens a store stands in the file"
                yield Finding(path, problem, "put it outside and write `${env:NAME}` or `${file:path}`")


def _credentials(section: Section, here: Path) -> Iterator[Path]:
    for key in section.model_fields_set:
        value = getattr(section, key)
        if isinstance(value, Secret):
            yield (*here, key)
        elif isinstance(value, Section):
            yield from _credentials(value, (*here, key))


def _literal_outside_development(case: Case) -> Iterator[Finding]:
    if case.environment != "development":
        yield from literal_credentials(case)


RULES: Rules = (
    _stores,
    _literal_outside_development,
)
