"""What must be true of who may call: issuers of tokens and what their scopes open."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules, unknown_name
from modelwright.app.manifest.rules.operations import served_alone
from modelwright.app.manifest.rules.providers import url_problem
from modelwright.core.addresses import is_sealed
from modelwright.core.identity import ALL

_FREE = "development"
"""Where a key may stand in the file."""


def _issuers(case: Case) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for name, issuer in case.manifest.access.oidc.items():
        here: Path = ("access", "oidc", name, "issuer")
        if here in case.unknown:
            continue
        problem = _address_problem(issuer.issuer)
        if problem:
            yield Finding(here, problem, "write it as it stands in its tokens, such as https://login.example.com")
        if issuer.issuer in first:
            other = first[issuer.issuer]
            yield Finding(here, f"is the issuer of {other} already", f"keep one; {other} and {name} would be the same")
        first.setdefault(issuer.issuer, name)


def _address_problem(text: str) -> str:
    problem = url_problem(text)
    if problem or is_sealed(text):
        return problem
    return f"is {urlsplit(text).scheme}, so that anybody on the way could give us keys of his own"


def _scopes(case: Case) -> Iterator[Finding]:
    known = {*case.names("endpoints"), *served_alone(case.manifest)}
    for name, issuer in case.manifest.access.oidc.items():
        for scope, endpoints in issuer.scopes.items():
            for index, endpoint in enumerate(endpoints):
                if endpoint not in {ALL, *known}:
                    place = ("access", "oidc", name, "scopes", scope, index)
                    yield unknown_name(place, endpoint, section="endpoints", known=known)


def _pointless(case: Case) -> Iterator[Finding]:
    access = case.manifest.access
    if access.auth == "none" and access.oidc:
        problem = "`auth: none` lets everybody call, so that no token is looked at"
        yield Finding(("access", "oidc"), problem, "remove it, or write `auth: required`")


def _keys(case: Case) -> Iterator[Finding]:
    known = {*case.names("endpoints"), *served_alone(case.manifest)}
    for name, key in case.manifest.access.keys.items():
        here: Path = ("access", "keys", name)
        place = (*here, "key")
        if key.key is None and place not in case.unknown and name not in _asked_for(case):
            remedy = f'write `key: "${{secret:NAME}}"`, or `${{key:{name}}}` in a variable of an app'
            yield Finding(here, "has no `key`, and no app refers to it", remedy, on_key=True)
        if key.key is not None and key.key.is_literal and place not in case.unknown and case.environment != _FREE:
            problem = "an API key stands in the file or is copied into it"
            yield Finding(place, problem, "put it into the environment and write `${secret:NAME}`")
        if key.endpoints and key.role == "admin":
            yield Finding((*here, "endpoints"), "a key with the role admin calls none", "remove them", on_key=True)
        for index, endpoint in enumerate(key.endpoints):
            if endpoint not in known:
                yield unknown_name((*here, "endpoints", index), endpoint, section="endpoints", known=known)


def _asked_for(case: Case) -> set[str]:
    values = (value for app in case.manifest.apps.values() for value in app.env.values())
    return {one.name for value in values for one in value.references if one.kind == "key"}


RULES: Rules = (
    _issuers,
    _scopes,
    _pointless,
    _keys,
)
