"""Makes a table of a snapshot: its secrets looked up, its variants ready to be asked; once per snapshot."""

from __future__ import annotations

from collections.abc import Callable

from modelwright.core.contracts.snapshot import SERVING, Endpoint, ProviderEntry, Snapshot, Variant
from modelwright.core.errors.starting import StartError
from modelwright.core.errors.tree import ModelwrightError
from modelwright.gateway.identity.keys import Keys, KeyTables, no_tables
from modelwright.gateway.lanes import Lane, Replicas, Route, Table
from modelwright.gateway.prompting.preamble import PromptBook, Ready, preambles
from modelwright.gateway.routing.standing import Standing

Resolve = Callable[[str], str]
"""The secret behind a reference such as `${secret:NAME}`; raises ModelwrightError when there is none."""


def build_table(
    snapshot: Snapshot,
    *,
    replicas: Replicas,
    resolve: Resolve,
    key_tables: KeyTables = no_tables,
    prompts: PromptBook | None = None,
) -> Table:
    """Raises ModelwrightError when the snapshot cannot be used; a missing secret only turns its provider off."""
    answer = snapshot.limits.answer
    providers = {
        provider.name: _Provider(provider, replicas, resolve, answer=answer) for provider in snapshot.providers
    }
    ready = prompts.open(snapshot) if prompts is not None else {}
    table = Table(
        snapshot=snapshot,
        routes={endpoint.name: _route(endpoint, providers, ready) for endpoint in snapshot.endpoints},
        keys=Keys(snapshot, key_tables(snapshot.key_table) if snapshot.key_table else None),
        salt=bytes.fromhex(snapshot.split_salt),
        replicas=tuple(replica for provider in providers.values() for replica in provider.own_replicas),
    )
    replicas.keep_only(snapshot.providers, snapshot.endpoints)
    return table


class _Provider:
    """A provider entry with its secrets looked up, once for all lanes."""

    def __init__(self, entry: ProviderEntry, replicas: Replicas, resolve: Resolve, *, answer: int) -> None:
        self.off = entry.off
        self.answer = answer
        self.entry = entry
        self.known = replicas
        self.standing = Standing()
        self.replicas = () if entry.off else replicas.of(entry)
        self.own_replicas = self.replicas if entry.kind == SERVING and not entry.on_demand else ()
        if self.off:
            return
        try:
            keys = tuple(_usable(resolve(key)) for key in entry.keys)
        except ModelwrightError as error:
            self.off = error.hint or error.message
        else:
            self.standing = replicas.standing(entry.name, keys)

    def lane(self, variant: Variant, endpoint: Endpoint) -> Lane:
        lane = Lane(variant, endpoint, provider=self.entry, replicas=self.replicas)
        lane.off = self.off
        lane.standing = self.standing
        lane.answer = self._answer(variant)
        if lane.own:
            self.known.follow(lane)
        if endpoint.choose != "weight":
            lane.load = self.known.load(endpoint.name, variant)
        return lane

    def _answer(self, variant: Variant) -> int:
        """Tokens to reserve for an answer of unknown length; Anthropic's wire wants a limit, which we send."""
        asked = self.replicas[0].dialect.spoken.get("chat") if self.replicas else None
        if asked is not None and asked.operation == "messages":
            return asked.max_tokens
        return min(self.answer, variant.context) if variant.context else self.answer


def _usable(key: str) -> str:
    """A provider's key as a header can carry it; raises StartError, which shows nothing of it."""
    if not key.isascii() or not key.isprintable() or key != key.strip():
        raise StartError(
            "a key holds characters that no header can carry", hint="set its key again, in printable ASCII"
        )
    return key


def _route(endpoint: Endpoint, providers: dict[str, _Provider], ready: dict[str, Ready]) -> Route:
    asked = (*endpoint.variants, *endpoint.classifiers, *endpoint.versions)
    unknown = sorted({variant.provider for variant in asked} - providers.keys())
    if unknown:
        raise StartError(
            f"names provider {unknown[0]!r}, which the snapshot does not hold",
            hint="let the control process write the snapshot again",
            place=f"endpoint {endpoint.name}",
        )
    if not any(variant.weight > 0 for variant in endpoint.variants):
        raise StartError("no variant has a weight above zero", hint="give one", place=f"endpoint {endpoint.name}")
    lanes = {variant.name: providers[variant.provider].lane(variant, endpoint) for variant in endpoint.variants}
    strangers = [name for name in endpoint.fallback if name not in lanes]
    if strangers:
        raise StartError(
            f"falls back on {strangers[0]!r}, which is none of its variants",
            hint="let the control process write the snapshot again",
            place=f"endpoint {endpoint.name}",
        )
    for name, preamble in preambles(endpoint, ready).items():
        lanes[name].preamble = preamble
    return Route(
        endpoint=endpoint,
        lanes=tuple(lanes.values()),
        weights=tuple(variant.weight for variant in endpoint.variants),
        split_header=endpoint.split_header.lower().encode("latin-1", "replace"),
        override=endpoint.override_header.lower().encode("latin-1", "replace"),
        fallback=tuple(lanes[name] for name in endpoint.fallback),
        shadow=lanes.get(endpoint.shadow),
        shadow_share=endpoint.shadow_share,
        classifiers={each.name: providers[each.provider].lane(each, endpoint) for each in endpoint.classifiers},
        versions={each.name: _version(each, endpoint, lanes=lanes, providers=providers) for each in endpoint.versions},
    )


def _version(version: Variant, endpoint: Endpoint, *, lanes: dict[str, Lane], providers: dict[str, _Provider]) -> Lane:
    """The variant that serves this version, or a lane of its own, called by the version."""
    known = (lane for lane in lanes.values() if lane.provider == version.provider)
    return next(known, None) or providers[version.provider].lane(version, endpoint)
