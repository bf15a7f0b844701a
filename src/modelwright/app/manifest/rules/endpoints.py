"""What must be true of endpoints and their variants."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules, unknown_name
from modelwright.app.manifest.rules.operations import (
    TENSOR_OPERATIONS,
    common_operations,
    operations_of,
    served,
    served_alone,
)
from modelwright.app.manifest.sections.endpoints import VariantSection
from modelwright.app.manifest.sections.models import FIRST, in_versions

NO_PARAMETERS = {"model", "messages", "prompt", "input", "stream", "stream_options", "user", "store", "metadata"}


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
    for field_name, name, section in (("provider", provider, "providers"), ("serve", variant.serves, "models")):
        known = case.names(section)
        if name and name not in known:
            yield unknown_name((*here, field_name), name, section=section, known=known)


def _served_versions(case: Case) -> Iterator[Finding]:
    known = in_versions(case.manifest.models)
    for name, endpoint in case.manifest.endpoints.items():
        for label, variant in endpoint.variants.items():
            model = case.manifest.models.get(variant.serves)
            if model is None or served(case.manifest, variant) in known:
                continue
            versions = ", ".join((model.version or FIRST, *model.versions))
            problem = f"model {variant.serves} has no version {variant.serve.partition('@')[2]!r}"
            remedy = f"name one of {versions}, or add it under `models.{variant.serves}.versions`"
            yield Finding(("endpoints", name, "variants", label, "serve"), problem, remedy)


def _parameters(case: Case) -> Iterator[Finding]:
    for name, endpoint in case.manifest.endpoints.items():
        for label, variant in endpoint.variants.items():
            here: Path = ("endpoints", name, "variants", label, "parameters")
            for parameter in variant.parameters:
                if parameter in NO_PARAMETERS:
                    problem = f"`{parameter}` is what the client asks for, or what the gateway looks after"
                    yield Finding((*here, parameter), problem, "remove it", on_key=True)
            operations = operations_of(case, variant)
            if variant.parameters and operations and {*operations} <= {*TENSOR_OPERATIONS}:
                yield Finding(here, "tensors have no such fields", "remove it", on_key=True)


def _shadows(case: Case) -> Iterator[Finding]:
    for name, endpoint in case.manifest.endpoints.items():
        if endpoint.shadow is None:
            continue
        here: Path = ("endpoints", name, "shadow", "variant")
        if endpoint.shadow.variant not in endpoint.variants:
            known = tuple(endpoint.variants)
            yield unknown_name(here, endpoint.shadow.variant, section="variants", known=known)
        elif len(endpoint.variants) == 1:
            problem = "is the only variant, so it would be asked twice"
            yield Finding(here, problem, "add another variant, of weight 0 if it shall answer nobody")


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


RULES: Rules = (
    _variants,
    _served_versions,
    _parameters,
    _shadows,
    _operations,
    _own_names,
)
