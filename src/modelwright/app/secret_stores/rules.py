"""What must be true of secret stores: the keys of their kind, an address nobody listens to, outside credentials."""

from __future__ import annotations

import re
from collections.abc import Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules, has_unknown
from modelwright.app.manifest.rules.providers import url_problem
from modelwright.app.manifest.secret import Secret
from modelwright.app.manifest.sections.section import Section
from modelwright.app.secret_stores.section import SecretStoreSection
from modelwright.core.addresses import is_sealed

_EVERY = {"kind", "optional", "refresh", "timeout"}
_KNOWN = {
    "age": {"source", "identity", "recipients"},
    "vault": {"address", "namespace", "mount", "path", "auth", "ca"},
    "aws": {"region", "prefix", "endpoint", "key", "ca"},
}
_NEEDED = {
    "age": {"source": "source: ./secrets.age", "identity": "identity: ${file:./age.key}"},
    "vault": {"address": "address: https://vault.example.com:8200", "auth": "auth: {token: '${env:VAULT_TOKEN}'}"},
    "aws": {"region": "region: eu-central-1"},
}
_PLACE_IN_VAULT = re.compile(r"[^/\s?#%]+(/[^/\s?#%]+)*")


def _stores(case: Case) -> Iterator[Finding]:
    for name, store in case.manifest.secrets.items():
        here: Path = ("secrets", name)
        for key in sorted(store.model_fields_set - _EVERY - _KNOWN[store.kind]):
            kind = next(kind for kind, known in _KNOWN.items() if key in known)
            yield Finding((*here, key), f"`{key}` is for {kind}, not for {store.kind}", "remove it", on_key=True)
        for key, example in _NEEDED[store.kind].items():
            if not getattr(store, key) and not has_unknown(case, (*here, key)):
                yield Finding(here, f"a store of kind {store.kind} needs `{key}`", f"write such as `{example}`")
        yield from _addresses(case, here, store)
        if store.kind == "vault":
            yield from _vault(case, here, store)


def _addresses(case: Case, here: Path, store: SecretStoreSection) -> Iterator[Finding]:
    for key in ("address", "endpoint"):
        text = getattr(store, key)
        if not text or (*here, key) in case.unknown:
            continue
        problem = url_problem(text)
        if not problem and not is_sealed(text):
            problem = "is http, so that anybody on the way could read the secrets"
        if problem:
            yield Finding((*here, key), problem, "write such as https://vault.example.com:8200")


def _vault(case: Case, here: Path, store: SecretStoreSection) -> Iterator[Finding]:
    for key in ("mount", "path"):
        if (*here, key) not in case.unknown and _PLACE_IN_VAULT.fullmatch(getattr(store, key)) is None:
            yield Finding(
                (*here, key), "is no path in Vault", "write such as team/modelwright, without a slash at its ends"
            )
    if store.auth is not None and not has_unknown(case, (*here, "auth")):
        ways = sorted(store.auth.model_fields_set)
        if len(ways) != 1:
            problem = f"names {' and '.join(ways) or 'no way'}, and one way in is needed"
            yield Finding((*here, "auth"), problem, "keep one of token, approle and kubernetes")


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
