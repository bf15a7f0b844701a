"""The manifest's section `pipeline`: several steps that answer as one model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modelwright.app.manifest.sections.section import Name, Section

KINDS = ("tokenize", "model", "pool", "normalize", "activate", "label")
"""Of these a step has one."""
OF_TOKENIZE = ("max_tokens", "longer", "integers")


class StepSection(Section):
    """One step; of `tokenize`, `model`, `pool`, `normalize`, `activate` and `label` it has one."""

    tokenize: str = Field(
        default="",
        description="Makes `input_ids`, `attention_mask` and `token_type_ids` of `text`: path of a tokenizer.json.",
    )
    max_tokens: int = Field(
        default=512, ge=4, le=1 << 20, description="With `tokenize`: tokens of one text, special ones included."
    )
    longer: Literal["refuse", "cut"] = Field(
        default="refuse", description="With `tokenize`: what becomes of a longer text; refused is answered 400."
    )
    integers: Literal["int64", "int32"] = Field(
        default="int64", description="With `tokenize`: the datatype that the model after it takes."
    )
    model: Name | Literal[""] = Field(default="", description="A model of this manifest; it runs in the same process.")
    pool: Literal["mean", "cls", "max"] | None = Field(
        default=None, description="One vector of many: their mean or maximum by the attention mask, or the first."
    )
    normalize: Literal["l2"] | None = Field(default=None, description="Vectors of length 1.")
    activate: Literal["softmax", "sigmoid"] | None = Field(default=None, description="Probabilities of scores.")
    label: tuple[str, ...] = Field(
        default=(), strict=False, description="The names of the scores: gives `label`, `index` and `score` of the best."
    )
    inputs: dict[str, str] = Field(
        default_factory=dict,
        description="The step's name of an input to a tensor: a name, `STEP.NAME`, or `request.NAME` for a client's.",
    )
    outputs: dict[str, str] = Field(
        default_factory=dict, description="The step's name of an output to the name that it shall have."
    )

    @property
    def kinds(self) -> list[str]:
        """What it says that it is: exactly one when it is right."""
        return [kind for kind in KINDS if getattr(self, kind)]


class EmbeddingsSection(Section):
    """How texts are answered by vectors at `/v1/embeddings`."""

    shorten: bool = Field(
        default=False, description="A request's `dimensions` may cut vectors off (Matryoshka models); made unit again."
    )
    max_inputs: int = Field(default=2048, ge=1, le=1 << 16, description="Texts of one request.")


class PipelineSection(Section):
    """Several steps that answer as one model."""

    steps: dict[Name, StepSection] = Field(
        min_length=1, description="In their order; a step takes tensors by equal names, or what the one before gives."
    )
    outputs: dict[str, str] = Field(
        default_factory=dict, description="What clients get: a name to a tensor; by default what the last step gives."
    )
    embeddings: EmbeddingsSection | None = Field(
        default=None,
        description="How `/v1/embeddings` is answered; those from `tokenize` to `pool` or `normalize` do by default.",
    )

    @property
    def embeds(self) -> bool:
        """Whether it answers `/v1/embeddings`."""
        first, last = next(iter(self.steps.values())), list(self.steps.values())[-1]
        return self.embeddings is not None or (bool(first.tokenize) and bool({*last.kinds} & {"pool", "normalize"}))
