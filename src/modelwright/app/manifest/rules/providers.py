"""What must be true of providers: their kind, address, keys and options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Kind, Rules, has_unknown
from modelwright.app.manifest.sections.providers import ProviderSection
from modelwright.app.manifest.words import unknown_key
from modelwright.core.nearest import nearest

_SOME_KEY = 'write such as `keys: ["${secret:NAME}"]`'


def _providers(case: Case) -> Iterator[Finding]:
    for name, provider in case.manifest.providers.items():
        here: Path = ("providers", name)
        kind = case.kinds.get(provider.kind)
        if kind is None:
            if (*here, "kind") not in case.unknown:
                yield _unknown_kind(here, provider.kind, case.kinds)
            continue
        yield from _base_url(case, here, provider=provider, kind=kind)
        if kind.needs_key and not provider.keys and not provider.base_url and not has_unknown(case, (*here, "keys")):
            yield Finding(here, f"{provider.kind} needs an API key", _SOME_KEY)
        for option in provider.options:
            if option not in kind.options:
                yield Finding((*here, "options", option), *unknown_key(option, kind.options), on_key=True)
        limit = provider.options.get("max_tokens", "1")
        if "max_tokens" in kind.options and not (limit.isdecimal() and int(limit)):
            yield Finding(
                (*here, "options", "max_tokens"), f"{limit!r} is not a number above 0", 'write such as "4096"'
            )


def _unknown_kind(here: Path, kind: str, kinds: Mapping[str, Kind]) -> Finding:
    close = nearest(kind, kinds)
    remedy = f"did you mean {close}? Known kinds: " if close else "known kinds: "
    return Finding((*here, "kind"), f"{kind!r} is no kind of provider", remedy + ", ".join(sorted(kinds)))


def _base_url(case: Case, here: Path, *, provider: ProviderSection, kind: Kind) -> Iterator[Finding]:
    place = (*here, "base_url")
    if place in case.unknown:
        return
    if not provider.base_url:
        if not kind.base_url:
            remedy = "write such as `base_url: http://10.0.0.7:8000/v1`"
            yield Finding(here, f"{provider.kind} has no address of its own, and `base_url` is missing", remedy)
        return
    problem = url_problem(provider.base_url)
    if problem:
        yield Finding(place, problem, "write such as http://10.0.0.7:8000/v1; a key belongs under `keys`")


def url_problem(text: str) -> str:
    """Says nothing of the address itself, which may hold a password."""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        return f"is no URL: {error}"
    if url.scheme not in {"http", "https"} or not url.hostname or port == 0:
        return "is not http(s)://host[:port][/path]"
    if url.username is not None or url.password is not None:
        return "holds a user name or a password"
    if url.query or url.fragment:
        return "has a query or a fragment"
    if any(character <= " " or character > "~" for character in text):
        return "holds a blank or a character that is not ASCII"
    return ""


def literal_keys(case: Case) -> Iterator[Finding]:
    """Keys that stand in the file itself, or are copied into it."""
    for name, provider in case.manifest.providers.items():
        for index, key in enumerate(provider.keys):
            place = ("providers", name, "keys", index)
            if key.is_literal and place not in case.unknown:
                problem = "an API key stands in the file or is copied into it"
                yield Finding(place, problem, "put it into the environment and write `${secret:NAME}`")


def _literal_keys_outside_development(case: Case) -> Iterator[Finding]:
    if case.environment != "development":
        yield from literal_keys(case)


RULES: Rules = (
    _providers,
    _literal_keys_outside_development,
)
