"""Turns a loaded manifest into what a gateway and a release record hold; pure, it reads and writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from modelwright.app.manifest.load import LoadedManifest
from modelwright.app.manifest.rules.operations import TENSOR_OPERATIONS, running, served, served_alone
from modelwright.app.manifest.schema import Manifest
from modelwright.app.manifest.sections.cache import CacheSection
from modelwright.app.manifest.sections.endpoints import EndpointSection, TimeoutSection, VariantSection
from modelwright.app.manifest.sections.guard import (
    GuardRuleSection,
    GuardSection,
    InputJudgeSection,
    OutputJudgeSection,
)
from modelwright.app.manifest.sections.limits import LimitSection
from modelwright.app.manifest.sections.models import FIRST
from modelwright.app.manifest.sections.routing import BreakerSection, RetriesSection
from modelwright.app.prices.book import PriceBook
from modelwright.app.tasks.section import TasksSection
from modelwright.core.contracts.guard import PII_KINDS, EndpointGuard, GuardRule, GuardSide, JudgeRule
from modelwright.core.contracts.release import Release
from modelwright.core.contracts.snapshot import (
    SERVING,
    BreakerRule,
    Caching,
    Endpoint,
    GivenKey,
    Issuer,
    Limit,
    Limits,
    ProviderEntry,
    Retries,
    Semantic,
    Snapshot,
    Timeouts,
    Variant,
)
from modelwright.core.contracts.tasks import TaskRules, WebhookRules
from modelwright.core.errors.starting import StartError
from modelwright.core.prices import units
from modelwright.core.prompting.variables import label
from modelwright.core.quantities import parse_budgets, parse_duration, parse_rates, parse_size

LOCAL = "local"
"""The target of `modelwright up`."""


def base_snapshot(
    loaded: LoadedManifest, *, runtime: Path | str, release: str, salt: str, prices: PriceBook, serial: int = 1
) -> Snapshot:
    """The snapshot without API keys, which control adds.

    `runtime` is the directory of the workers' sockets, `release` the digest of the release record, `salt` hex digits,
    `prices` says what each variant costs.
    """
    manifest = loaded.manifest
    return Snapshot(
        serial=serial,
        name=manifest.name,
        environment=loaded.environment,
        manifest=loaded.digest,
        release=release,
        auth=manifest.access.auth,
        split_salt=salt,
        max_body=parse_size(manifest.gateway.max_body),
        max_in_flight=manifest.gateway.max_in_flight,
        cache_bytes=parse_size(manifest.store.cache),
        given_keys=tuple(given_keys(manifest)),
        limits=limits(manifest),
        redis="" if manifest.store.redis is None else manifest.store.redis.reveal(),
        endpoints=tuple(_priced(endpoint, loaded, prices) for endpoint in endpoints(loaded)),
        providers=(*_own_providers(loaded, Path(runtime)), *_remote_providers(loaded)),
        issuers=tuple(_issuers(loaded)),
        tasks=_tasks(manifest.tasks) if manifest.tasks is not None else None,
        prompts=loaded.prompts,
        aliases=aliases(loaded),
    )


def release_record(loaded: LoadedManifest, digests: Mapping[str, str]) -> Release:
    """What runs here; `digests` are `sha256:…` of the model files, by model."""
    return Release(
        name=loaded.manifest.name,
        environment=loaded.environment,
        target=LOCAL,
        manifest=loaded.digest,
        models=dict(digests),
        prompts={label(prompt): prompt.digest for prompt in loaded.prompts},
    )


def endpoints(loaded: LoadedManifest) -> Iterator[Endpoint]:
    """Every name that clients may call: the manifest's endpoints, and models that none of them uses."""
    for name, endpoint in loaded.manifest.endpoints.items():
        yield _endpoint(name, endpoint, loaded)
    for model in served_alone(loaded.manifest):
        alone = EndpointSection(variants={model: VariantSection(serve=model)})
        yield _endpoint(model, alone, loaded)


def given_keys(manifest: Manifest) -> Iterator[GivenKey]:
    """Keys that the manifest has; those that only a deploy makes are none here."""
    for name, key in manifest.access.keys.items():
        if key.key is not None:
            yield GivenKey(name=name, key=key.key.reveal(), tenant=key.tenant, role=key.role, endpoints=key.endpoints)


def limits(manifest: Manifest) -> Limits:
    """All limits, each as a value of its own."""
    access = manifest.access
    return Limits(
        each=tuple(limit for by, whose, section in access.limits.each() for limit in _limits(by, whose, section)),
        time_zone=access.counting.time_zone,
        trusted=manifest.gateway.trusted_proxies,
        workers=manifest.gateway.workers,
        down_after=parse_duration(access.counting.store_down.after),
        answer=access.counting.answer,
        unpriced=access.counting.unpriced,
        cost_down=access.counting.store_down.cost,
        rates_down=access.counting.store_down.rates,
    )


def _priced(endpoint: Endpoint, loaded: LoadedManifest, prices: PriceBook) -> Endpoint:
    """Nobody asks a provider that is off, so nobody looks its prices up."""

    def priced(each: tuple[Variant, ...]) -> tuple[Variant, ...]:
        return tuple(
            one if one.provider in loaded.off else msgspec.structs.replace(one, price=prices.of(one).price)
            for one in each
        )

    variants, versions = priced(endpoint.variants), priced(endpoint.versions)
    currencies = sorted({variant.price.currency for variant in variants if variant.price is not None})
    if endpoint.choose == "price" and len(currencies) > 1:
        raise StartError(
            f"chooses by price, and its variants are priced in {' and '.join(currencies)}",
            hint="give the models prices in one currency, under providers.<name>.prices",
            place=f"endpoint {endpoint.name}",
        )
    return msgspec.structs.replace(
        endpoint, variants=variants, versions=versions, classifiers=priced(endpoint.classifiers)
    )


def provider_of(model: str) -> str:
    """The name of the provider entry that stands for our own workers of a model."""
    return f"{SERVING}:{model}"


def worker_name(model: str, replica: int) -> str:
    """The part's name and, with `.sock`, its socket's."""
    return f"{SERVING}-{model}-{replica}"


def _endpoint(name: str, section: EndpointSection, loaded: LoadedManifest) -> Endpoint:
    return Endpoint(
        name=name,
        operations=loaded.operations[name],
        variants=tuple(_variant(label, variant, loaded.manifest) for label, variant in section.variants.items()),
        choose=section.choose,
        split_by=section.split.by,
        split_replicas=section.split.replicas,
        split_header=section.split.header,
        shadow=section.shadow.variant if section.shadow else "",
        shadow_share=section.shadow.share if section.shadow else 0.0,
        override_header=section.split.override,
        timeouts=_timeouts(section.timeout),
        cache=_caching(section.cache) if section.cache is not None else None,
        retries=_retries(section.retries),
        fallback=section.fallback,
        guard=_guard(section.guard) if section.guard is not None else None,
        classifiers=tuple(_classifiers(section.guard)) if section.guard is not None else (),
        versions=tuple(_versions(section, loaded.manifest)) if loaded.operations[name] == TENSOR_OPERATIONS else (),
    )


def _versions(section: EndpointSection, manifest: Manifest) -> Iterator[Variant]:
    """Of every model that it serves; of two with the same name the first one counts."""
    known: set[str] = set()
    for model in dict.fromkeys(variant.serves for variant in section.variants.values()):
        first = manifest.models[model].version or FIRST
        for version in (first, *manifest.models[model].versions):
            if version not in known:
                known.add(version)
                label = model if version == first else f"{model}@{version}"
                yield Variant(name=version, provider=provider_of(label), model=model)


def _limits(by: str, whose: str, section: LimitSection) -> Iterator[Limit]:
    for of, text in (("requests", section.requests), ("tokens", section.tokens)):
        for amount, per in parse_rates(text) if text else ():
            yield Limit(by=by, whose=whose, of=of, amount=amount, per=per)
    for amount, currency, per in parse_budgets(section.cost) if section.cost else ():
        yield Limit(by=by, whose=whose, of="cost", amount=units(amount), per=per, currency=currency)
    if section.concurrency is not None:
        yield Limit(by=by, whose=whose, of="concurrency", amount=section.concurrency)


def _variant(name: str, section: VariantSection, manifest: Manifest) -> Variant:
    return Variant(
        name=name,
        provider=provider_of(served(manifest, section)) if section.serve else section.provider,
        model=section.serves or section.model,
        weight=section.weight,
        prompt=section.prompt,
        parameters=section.parameters,
        context=manifest.models[section.serves].engine.context if section.serve else 0,
    )


def aliases(loaded: LoadedManifest) -> dict[str, str]:
    """The version that each `name@alias` means at first."""
    return {
        f"{name}@{alias}": version
        for name, prompt in loaded.manifest.prompts.items()
        for alias, version in prompt.aliases.items()
    }


def _timeouts(section: TimeoutSection) -> Timeouts:
    return Timeouts(
        connect=parse_duration(section.connect),
        first_token=parse_duration(section.first_token),
        idle=parse_duration(section.idle),
        total=parse_duration(section.total),
    )


def _caching(section: CacheSection) -> Caching:
    alike = section.semantic
    semantic = None
    if alike is not None:
        semantic = Semantic(
            endpoint=alike.endpoint,
            threshold=alike.threshold,
            check=alike.check,
            wrong=alike.wrong,
            agree=alike.agree,
        )
    return Caching(ttl=parse_duration(section.exact.ttl), ignore=section.exact.ignore, semantic=semantic)


def _guard(section: GuardSection) -> EndpointGuard:
    return EndpointGuard(
        input=GuardSide(
            pii=section.input.pii,
            kinds=section.input.kinds or PII_KINDS,
            rules=_guard_rules(section.input.rules),
            injection=section.input.injection,
            threshold=section.input.threshold,
            max_chars=section.input.max_chars,
            judge=_judge(section.input.judge),
        ),
        output=GuardSide(
            pii=section.output.pii,
            kinds=section.output.kinds or PII_KINDS,
            rules=_guard_rules(section.output.rules),
            leak=section.output.leak,
            max_chars=section.output.max_chars,
            judge=_judge(section.output.judge),
        ),
        on_error=section.on_error,
    )


def _judge(section: InputJudgeSection | None) -> JudgeRule | None:
    if section is None:
        return None
    rule = JudgeRule(
        endpoint=section.endpoint,
        action=section.action,
        threshold=section.threshold,
        timeout=parse_duration(section.timeout),
        on_error=section.on_error,
        concurrency=section.concurrency,
    )
    return msgspec.structs.replace(rule, piece=section.piece) if isinstance(section, OutputJudgeSection) else rule


def _classifiers(section: GuardSection) -> Iterator[Variant]:
    for side, judge in (("input", section.input.judge), ("output", section.output.judge)):
        if judge is not None and judge.provider:
            yield Variant(name=side, provider=judge.provider, model=judge.model)


def _guard_rules(rules: Mapping[str, GuardRuleSection]) -> tuple[GuardRule, ...]:
    return tuple(
        GuardRule(name=name, action=rule.action, words=rule.words, shapes=rule.shapes) for name, rule in rules.items()
    )


def _retries(section: RetriesSection) -> Retries:
    return Retries(
        attempts=section.attempts,
        backoff=parse_duration(section.backoff),
        longest=parse_duration(section.longest),
    )


def _breaker(section: BreakerSection) -> BreakerRule:
    return BreakerRule(
        failures=section.failures,
        share=section.share,
        window=parse_duration(section.window),
        rest=parse_duration(section.rest),
    )


def _own_providers(loaded: LoadedManifest, runtime: Path) -> Iterator[ProviderEntry]:
    for name, model in running(loaded.manifest).items():
        sockets = tuple(f"unix:{runtime / worker_name(name, replica)}.sock" for replica in range(model.scale.min))
        yield ProviderEntry(name=provider_of(name), kind=SERVING, base_urls=sockets)


def _remote_providers(loaded: LoadedManifest) -> Iterator[ProviderEntry]:
    for name, provider in loaded.manifest.providers.items():
        yield ProviderEntry(
            name=name,
            kind=provider.kind,
            base_urls=(provider.base_url,) if provider.base_url else (),
            keys=tuple(key.reveal() for key in provider.keys),
            options=provider.options,
            off=loaded.off.get(name, ""),
            breaker=_breaker(provider.breaker) if provider.breaker is not None else None,
        )


def _issuers(loaded: LoadedManifest) -> Iterator[Issuer]:
    """Without their keys, which control reads."""
    for name, section in loaded.manifest.access.oidc.items():
        yield Issuer(
            name=name,
            issuer=section.issuer,
            audience=section.audience,
            algorithms=section.algorithms,
            leeway=parse_duration(section.leeway),
            tenant=section.tenant,
            tenant_claim=section.claims.tenant,
            user_claim=section.claims.user,
            scope_claim=section.claims.scope,
            scopes=section.scopes,
            admin=section.admin,
        )


def _tasks(section: TasksSection) -> TaskRules:
    webhook = section.webhook
    told = WebhookRules(
        secrets=tuple(secret.reveal() for secret in webhook.secrets),
        attempts=webhook.attempts,
        timeout=parse_duration(webhook.timeout),
        allow=webhook.allow,
    )
    return TaskRules(
        concurrency=section.concurrency,
        queue=section.queue,
        max_body=parse_size(section.max_body),
        max_answer=parse_size(section.max_answer),
        deadline=parse_duration(section.deadline),
        keep=parse_duration(section.keep),
        webhook=told if webhook.secrets else None,
    )
