"""What an endpoint can answer, from what its variants can."""

from __future__ import annotations

from modelwright.app.manifest.rules.case import Case
from modelwright.app.manifest.schema import Manifest
from modelwright.app.manifest.sections.endpoints import VariantSection
from modelwright.app.manifest.sections.models import FIRST, ModelSection, in_versions
from modelwright.app.plugins import engine_row
from modelwright.core.prompting.opening import OPENED

TEXT_OPERATIONS = ("chat", "completions", "messages", "responses")
TEXT_WIRE = "openai"
TENSOR_OPERATIONS = ("infer", "predict")
EMBEDDINGS = "embeddings"


def operations_of(case: Case, variant: VariantSection) -> tuple[str, ...] | None:
    """What a variant can answer, with its prompt; None when that cannot be told."""
    operations = without_prompt(case, variant)
    if operations is None or not variant.prompt:
        return operations
    return tuple(operation for operation in operations if operation in OPENED)


def without_prompt(case: Case, variant: VariantSection) -> tuple[str, ...] | None:
    """What a variant can answer, its prompt aside; None when that cannot be told."""
    if variant.serve:
        return operations_of_model(case, served(case.manifest, variant))
    provider = case.manifest.providers.get(variant.provider)
    kind = case.kinds.get(provider.kind) if provider else None
    return kind.operations if kind else None


def common_operations(case: Case, endpoint: str) -> tuple[str, ...]:
    """What every variant of an endpoint can answer, in the order of the first."""
    each = [operations_of(case, variant) or () for variant in case.manifest.endpoints[endpoint].variants.values()]
    return tuple(operation for operation in each[0] if all(operation in other for other in each))


def operations(case: Case) -> dict[str, tuple[str, ...]]:
    """What each endpoint answers, the models' own ones included; nothing where a model's file is not here yet."""
    own = {model: operations_of_model(case, model) or () for model in served_alone(case.manifest)}
    return own | {name: common_operations(case, name) for name in case.manifest.endpoints}


def served(manifest: Manifest, variant: VariantSection) -> str:
    """The version that a variant serves, as `in_versions` has it: the first one also by its own name."""
    name, _, version = variant.serve.partition("@")
    model = manifest.models.get(name)
    return name if model is not None and version == (model.version or FIRST) else variant.serve


def served_alone(manifest: Manifest) -> tuple[str, ...]:
    """Models that no endpoint and no pipeline uses: each gets an endpoint of its own name."""
    gone = {*steps_only(manifest), *_served(manifest)}
    return tuple(model for model in manifest.models if model not in gone)


def has_gateway(manifest: Manifest) -> bool:
    """Something can be called: without it no gateway runs."""
    return bool(manifest.models or manifest.endpoints)


def running(manifest: Manifest) -> dict[str, ModelSection]:
    """Every version that has processes of its own, as `in_versions` has them."""
    steps = steps_only(manifest)
    each = in_versions(manifest.models)
    return {label: model for label, model in each.items() if label.partition("@")[0] not in steps}


def steps_only(manifest: Manifest) -> dict[str, str]:
    """Models that are steps and nothing else, each with the first such pipeline: they run in its process."""
    found: dict[str, str] = {}
    for owner, model in manifest.models.items():
        for step in model.pipeline.steps.values() if model.pipeline else ():
            if step.model and step.model not in _served(manifest):
                found.setdefault(step.model, owner)
    return found


def _served(manifest: Manifest) -> set[str]:
    return {variant.serves for endpoint in manifest.endpoints.values() for variant in endpoint.variants.values()}


def operations_of_model(case: Case, model: str) -> tuple[str, ...] | None:
    """What a model of ours answers; None when that cannot be told."""
    engine, section = case.engine(model), case.manifest.models.get(model.partition("@")[0])
    if not engine:
        return None
    answers = operations_of_engine(engine)
    return (*answers, EMBEDDINGS) if section and section.pipeline and section.pipeline.embeds else answers


def operations_of_engine(engine: str) -> tuple[str, ...]:
    """What a model answers that this kind of engine runs."""
    return TEXT_OPERATIONS if engine_row(engine).wire == TEXT_WIRE else TENSOR_OPERATIONS
