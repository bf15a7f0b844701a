"""What must be true between the parts of a manifest: pure rules over values and facts, each yielding its findings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.files import ENGINES, GGUF, ONNX, PICKLE, FileFacts
from modelwright.app.manifest.schema import Manifest, ModelSection, ProviderSection, VariantSection
from modelwright.app.manifest.words import unknown_key
from modelwright.app.plugins import engine_row
from modelwright.core.addresses import is_loopback, split_address
from modelwright.core.nearest import nearest

TEXT_OPERATIONS = ("chat", "completions")
TEXT_WIRE = "openai"
TENSOR_OPERATIONS = ("infer",)
_READS = {"onnxruntime": ONNX, "openvino-llm": GGUF}
"""The format that an engine needs; the toys take any file."""
_TEXT_FIELDS = {"engine": {"context", "cache"}, "batching": {"max_sequences"}}
_SOME_KEY = 'write such as `keys: ["${secret:NAME}"]`'


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What the rules need to know of a kind of provider."""

    base_url: str = ""
    operations: tuple[str, ...] = ()
    needs_key: bool = True
    options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Case:
    """A manifest with what is known around it."""

    manifest: Manifest
    environment: str
    kinds: Mapping[str, Kind]
    files: Mapping[str, FileFacts]
    """By model; a model whose files were not looked at is missing."""
    unknown: Collection[Path] = ()
    """Places whose value is not known here."""
    off: Collection[str] = ()
    """Optional providers that are off."""
    declared: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Names under models, providers and endpoints, those with faults of their own included."""

    def names(self, section: str) -> Collection[str]:
        """Names that may be referred to."""
        return {*self.declared.get(section, ()), *getattr(self.manifest, section)}

    def engine(self, model: str) -> str:
        """The kind of engine that runs a model; empty when it cannot be told."""
        section = self.manifest.models.get(model)
        if section is None:
            return ""
        facts = self.files.get(model, FileFacts())
        return section.engine.kind or ENGINES.get(facts.format, "")


def findings(case: Case) -> Iterator[Finding]:
    """Everything that the rules find."""
    for rule in RULES:
        yield from rule(case)


def warnings(case: Case) -> Iterator[Finding]:
    """What works but should not stay."""
    if case.environment == "development":
        yield from _literal_keys(case)


def operations_of(case: Case, variant: VariantSection) -> tuple[str, ...] | None:
    """What a variant can answer; None when that cannot be told."""
    if variant.serve:
        engine = case.engine(variant.serve)
        return _operations_of_engine(engine) if engine else None
    provider = case.manifest.providers.get(variant.provider)
    kind = case.kinds.get(provider.kind) if provider else None
    return kind.operations if kind else None


def common_operations(case: Case, endpoint: str) -> tuple[str, ...]:
    """What every variant of an endpoint can answer, in the order of the first."""
    each = [operations_of(case, variant) or () for variant in case.manifest.endpoints[endpoint].variants.values()]
    return tuple(operation for operation in each[0] if all(operation in other for other in each))


def operations(case: Case) -> dict[str, tuple[str, ...]]:
    """What each endpoint answers, the models' own ones included."""
    own = {model: _operations_of_engine(case.engine(model)) for model in served_alone(case.manifest)}
    return own | {name: common_operations(case, name) for name in case.manifest.endpoints}


def served_alone(manifest: Manifest) -> tuple[str, ...]:
    """Models that no endpoint uses: each gets an endpoint of its own name."""
    used = {variant.serve for endpoint in manifest.endpoints.values() for variant in endpoint.variants.values()}
    return tuple(model for model in manifest.models if model not in used)


def _operations_of_engine(engine: str) -> tuple[str, ...]:
    return TEXT_OPERATIONS if engine_row(engine).wire == TEXT_WIRE else TENSOR_OPERATIONS


def _something_runs(case: Case) -> Iterator[Finding]:
    if not case.names("models") and not case.names("endpoints"):
        yield Finding((), "names no model and no endpoint, so nothing could be called", "add a section `models`")


def _model_files(case: Case) -> Iterator[Finding]:
    for name, model in case.manifest.models.items():
        facts = case.files.get(name)
        if facts is None:
            continue
        here: Path = ("models", name)
        if facts.source_problem:
            yield Finding((*here, "source"), f"{model.source!r} {facts.source_problem}", "name the model file")
        else:
            yield from _format(here, model, facts)
        if facts.check_problem:
            remedy = "name a file that holds the JSON body of a request"
            yield Finding((*here, "check"), f"{model.check!r} {facts.check_problem}", remedy)


def _format(here: Path, model: ModelSection, facts: FileFacts) -> Iterator[Finding]:
    source = (*here, "source")
    wanted = _READS.get(model.engine.kind or "")
    if facts.format == PICKLE:
        problem = f"{model.source!r} is a pickle, which can run any program when it is loaded"
        yield Finding(source, problem, "export the model to ONNX or GGUF")
    elif model.engine.kind is None and facts.format not in ENGINES:
        problem = f"{model.source!r} is neither ONNX nor GGUF (or it is cut short)"
        yield Finding(source, problem, "export the model to ONNX or GGUF, or check the download")
    elif wanted and facts.format != wanted:
        problem = (
            f"{model.source!r} is no {wanted.upper()} file{f', it is {facts.format.upper()}' if facts.format else ''}"
        )
        remedy = f"leave `kind` out, or name a file in {wanted.upper()} format for {model.engine.kind}"
        yield Finding(source, problem, remedy)


def _text_only(case: Case) -> Iterator[Finding]:
    """What would be accepted and ignored is refused."""
    for name, model in case.manifest.models.items():
        engine = case.engine(name)
        if not engine or engine_row(engine).wire == TEXT_WIRE:
            continue
        for section, fields in _TEXT_FIELDS.items():
            for known in fields & getattr(model, section).model_fields_set:
                problem = f"`{known}` is for text models, and {name} is run by {engine}"
                yield Finding(("models", name, section, known), problem, "remove it", on_key=True)


def _providers(case: Case) -> Iterator[Finding]:
    for name, provider in case.manifest.providers.items():
        here: Path = ("providers", name)
        kind = case.kinds.get(provider.kind)
        if kind is None:
            if (*here, "kind") not in case.unknown:
                yield _unknown_kind(here, provider.kind, case.kinds)
            continue
        yield from _base_url(case, here, provider=provider, kind=kind)
        if kind.needs_key and not provider.keys and not provider.base_url and not _has_unknown(case, (*here, "keys")):
            yield Finding(here, f"{provider.kind} needs an API key", _SOME_KEY)
        for option in provider.options:
            if option not in kind.options:
                yield Finding((*here, "options", option), *unknown_key(option, kind.options), on_key=True)


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
    problem = _url_problem(provider.base_url)
    if problem:
        yield Finding(place, problem, "write such as http://10.0.0.7:8000/v1; a key belongs under `keys`")


def _url_problem(text: str) -> str:
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


def _literal_keys(case: Case) -> Iterator[Finding]:
    for name, provider in case.manifest.providers.items():
        for index, key in enumerate(provider.keys):
            place = ("providers", name, "keys", index)
            if key.is_literal and place not in case.unknown:
                problem = "an API key stands in the file or is copied into it"
                yield Finding(place, problem, "put it into the environment and write `${secret:NAME}`")


def _literal_keys_outside_development(case: Case) -> Iterator[Finding]:
    if case.environment != "development":
        yield from _literal_keys(case)


def _variants(case: Case) -> Iterator[Finding]:
    for name, endpoint in case.manifest.endpoints.items():
        for label, variant in endpoint.variants.items():
            yield from _variant(case, ("endpoints", name, "variants", label), variant)
        if not any(variant.weight > 0 for variant in endpoint.variants.values()):
            yield Finding(("endpoints", name, "variants"), "every weight is zero", "give one variant a weight above 0")


def _variant(case: Case, here: Path, variant: VariantSection) -> Iterator[Finding]:
    unknown = {field for field in ("provider", "model", "serve") if (*here, field) in case.unknown}
    provider, model, serve = variant.provider, variant.model, variant.serve
    if serve and (provider or model):
        yield Finding(here, "`serve` stands beside `provider` or `model`", "keep `serve`, or `provider` and `model`")
    elif not serve and not provider and not unknown & {"serve", "provider"}:
        yield Finding(here, "names nobody who answers", "write `serve: …`, or `provider: …` and `model: …`")
    elif provider and not model and "model" not in unknown:
        yield Finding(here, "`model` is missing", "write the provider's own name of the model")
    for field_name, name, section in (("provider", provider, "providers"), ("serve", serve, "models")):
        known = case.names(section)
        if name and name not in known:
            yield _unknown_name((*here, field_name), name, section=section, known=known)


def _unknown_name(here: Path, name: str, *, section: str, known: Collection[str]) -> Finding:
    close = nearest(name, known)
    remedy = f"did you mean {close}?" if close else f"known: {', '.join(sorted(known)) or 'none'}"
    return Finding(here, f"there is no {name!r} under `{section}`", remedy)


def _operations(case: Case) -> Iterator[Finding]:
    for name, endpoint in case.manifest.endpoints.items():
        each = {label: operations_of(case, variant) for label, variant in endpoint.variants.items()}
        if None in each.values() or common_operations(case, name):
            continue
        told = "; ".join(f"{label} answers {', '.join(known or ())}" for label, known in each.items())
        problem = f"its variants have no operation in common ({told})"
        yield Finding(("endpoints", name, "variants"), problem, "split them into endpoints of their own")


def _own_names(case: Case) -> Iterator[Finding]:
    for model in served_alone(case.manifest):
        if model in case.names("endpoints"):
            problem = f"the model {model!r} is used by no endpoint, so it would be called by this name too"
            yield Finding(("endpoints", model), problem, "rename one of them, or serve the model here", on_key=True)


def _doors(case: Case) -> Iterator[Finding]:
    gateway = case.manifest.gateway
    host, port = split_address(gateway.listen)
    if case.manifest.access.auth == "none" and not is_loopback(host):
        problem = "`none` lets everybody call, and gateway.listen is open to other machines"
        yield Finding(("access", "auth"), problem, "write `required`, or listen on 127.0.0.1")
    if port and port == split_address(gateway.admin)[1] and _meet(host, split_address(gateway.admin)[0]):
        yield Finding(("gateway", "admin"), "is the same port as gateway.listen", "choose another port; 0 picks one")


def _meet(one: str, other: str) -> bool:
    everywhere = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    return one == other or bool({one, other} & everywhere) or {one, other} <= {"localhost", "127.0.0.1", "::1"}


def _has_unknown(case: Case, under: Path) -> bool:
    return any(path[: len(under)] == under for path in case.unknown)


RULES: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    _something_runs,
    _model_files,
    _text_only,
    _providers,
    _literal_keys_outside_development,
    _variants,
    _operations,
    _own_names,
    _doors,
)
