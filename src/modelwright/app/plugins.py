"""Engine kinds by name: where each lives and which extra it needs; a library is imported only when it is chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

import msgspec

from modelwright.app.artifacts.formats import (
    GGUF,
    LIGHTGBM,
    ONNX,
    OPENVINO,
    PT2,
    SKOPS,
    TENSORRT,
    TFLITE,
    TORCHSCRIPT,
    XGBOOST,
)
from modelwright.app.artifacts.llm_folders import HF_LLM, OPENVINO_LLM
from modelwright.core.errors.calls import Unprocessable
from modelwright.core.errors.starting import MissingExtra, StartError
from modelwright.core.ports.engines import Array, CustomEngine, TensorEngine, TextCodec, TextEngine, Tokenizer
from modelwright.core.ports.external.servers import PlanServer


class EngineRow(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of engine."""

    kind: str
    """The manifest's name of it."""
    wire: str
    """v2 (tensors) | openai (text) | plain (a class of the user's)."""
    engine: str
    """`module:Class`, made without arguments."""
    codec: str = ""
    """Text: `module:factory`, called with the model's path."""
    reads: tuple[str, ...] = ()
    """Formats (app/artifacts/formats) that it takes; empty: it looks at no file. The first row that reads a format is
    the engine that is chosen for it.
    """
    devices: tuple[str, ...] = ("cpu",)
    """Families of devices that it can be told to use: cpu | cuda (NVIDIA) | gpu (Intel)."""
    precisions: tuple[str, ...] = ("f32",)
    """What `engine.precision` may say; f32 alone: it computes as the file is stored, or as its library does."""
    server: bool = False
    """The engine runs in a server process of its own, and is taken only by name; `engine` is what plans it."""
    extra: str = ""
    """The extra of this package that brings the libraries."""
    packages: str = ""
    """What to install where no extra of this package brings the libraries."""
    libraries: tuple[str, ...] = ()
    """Top-level modules that must be installed."""


PIPELINE = "pipeline"
"""Of models that are steps; app/pipelines makes it."""

_ALL_PRECISIONS = ("f32", "bf16", "f16")
_ROWS = (
    EngineRow(
        kind="onnxruntime",
        wire="v2",
        engine="modelwright.adapters.engines.onnxruntime:OnnxRuntimeEngine",
        reads=(ONNX,),
        devices=("cpu", "cuda"),
        precisions=_ALL_PRECISIONS,
        extra="serving",
        libraries=("onnxruntime", "numpy"),
    ),
    EngineRow(
        kind="openvino",
        wire="v2",
        engine="modelwright.adapters.engines.openvino:OpenVinoEngine",
        reads=(OPENVINO, ONNX),
        devices=("cpu", "gpu"),
        precisions=_ALL_PRECISIONS,
        extra="openvino",
        libraries=("openvino", "numpy"),
    ),
    EngineRow(
        kind="tflite",
        wire="v2",
        engine="modelwright.adapters.engines.litert:LiteRtEngine",
        reads=(TFLITE,),
        extra="tflite",
        libraries=("ai_edge_litert", "numpy"),
    ),
    EngineRow(
        kind="tensorrt",
        wire="v2",
        engine="modelwright.adapters.engines.tensorrt:TensorRtEngine",
        reads=(TENSORRT,),
        devices=("cuda",),
        packages="tensorrt cuda-python",
        libraries=("tensorrt", "cuda", "numpy"),
    ),
    EngineRow(
        kind="xgboost",
        wire="v2",
        engine="modelwright.adapters.engines.xgboost:XGBoostEngine",
        reads=(XGBOOST,),
        extra="xgboost",
        libraries=("xgboost", "numpy"),
    ),
    EngineRow(
        kind="lightgbm",
        wire="v2",
        engine="modelwright.adapters.engines.lightgbm:LightGBMEngine",
        reads=(LIGHTGBM,),
        extra="lightgbm",
        libraries=("lightgbm", "numpy"),
    ),
    EngineRow(
        kind="sklearn",
        wire="v2",
        engine="modelwright.adapters.engines.sklearn:SklearnEngine",
        reads=(SKOPS,),
        extra="sklearn",
        libraries=("sklearn", "skops", "threadpoolctl", "numpy"),
    ),
    EngineRow(
        kind="torch",
        wire="v2",
        engine="modelwright.adapters.engines.torch:TorchEngine",
        reads=(PT2, TORCHSCRIPT),
        devices=("cpu", "cuda"),
        precisions=_ALL_PRECISIONS,
        packages="torch numpy",
        libraries=("torch", "numpy"),
    ),
    EngineRow(
        kind="openvino-llm",
        wire="openai",
        engine="modelwright.adapters.engines.openvino_llm:OpenVinoLlm",
        codec="modelwright.adapters.engines.hf_codec:llm_codec",
        reads=(GGUF, OPENVINO_LLM),
        precisions=_ALL_PRECISIONS,
        extra="llm",
        libraries=("openvino", "openvino_genai", "tokenizers", "jinja2", "numpy"),
    ),
    EngineRow(
        kind=PIPELINE,
        wire="v2",
        engine="modelwright.serving.pipelines.pipeline:Pipeline",
        precisions=_ALL_PRECISIONS,
        extra="serving",
        libraries=("numpy",),
    ),
    EngineRow(
        kind="llama-server",
        wire="openai",
        engine="modelwright.adapters.engines.external:llama_server",
        reads=(GGUF,),
        server=True,
        devices=("cpu", "cuda"),
    ),
    EngineRow(
        kind="vllm",
        wire="openai",
        engine="modelwright.adapters.engines.external:vllm",
        reads=(HF_LLM, GGUF),
        precisions=("f32", "bf16", "f16"),
        server=True,
        devices=("cpu", "cuda"),
    ),
    EngineRow(
        kind="tgi",
        wire="openai",
        engine="modelwright.adapters.engines.external:tgi",
        reads=(HF_LLM,),
        precisions=("f32", "bf16", "f16"),
        server=True,
        devices=("cpu", "cuda"),
    ),
    EngineRow(
        kind="ollama",
        wire="openai",
        engine="modelwright.adapters.engines.external:ollama",
        reads=(GGUF, HF_LLM),
        server=True,
        devices=("cpu", "cuda"),
    ),
    EngineRow(
        kind="toy-tensor",
        wire="v2",
        engine="modelwright.adapters.engines.toy_tensor:ToyTensorEngine",
        extra="serving",
        libraries=("numpy",),
    ),
    EngineRow(
        kind="toy-text",
        wire="openai",
        engine="modelwright.adapters.engines.toy_text:ToyTextEngine",
        codec="modelwright.adapters.engines.toy_text:byte_codec",
    ),
)
TOKENIZE = EngineRow(
    kind="tokenize",
    wire="",
    engine="modelwright.adapters.steps.tokenizer_json:TokenizerJson",
    extra="embeddings",
    libraries=("tokenizers",),
)
"""A step that needs a library."""
Rows = Mapping[str, EngineRow]
ENGINES: Rows = {row.kind: row for row in _ROWS}


PYTHON = "python:"
"""What the kinds of classes of the user's own begin with: `python:app.models:Greeter`."""


_OWN = "modelwright.adapters.engines.custom.engines:engine_of"


def engine_row(kind: str, rows: Rows = ENGINES) -> EngineRow:
    """The row of an engine kind; raises StartError for one that does not exist."""
    if kind.startswith(PYTHON):
        return EngineRow(
            kind=kind,
            wire="plain",
            engine=_OWN,
            devices=("cpu", "cuda", "gpu"),
            precisions=_ALL_PRECISIONS,
            extra="serving",
            libraries=("numpy",),
        )
    if kind not in rows:
        raise StartError(f"there is no engine {kind}", hint=f"take one of {', '.join(rows)}, or python:module:Class")
    return rows[kind]


def chosen_engine(found: str, rows: Rows = ENGINES) -> str:
    """The kind that runs a model of this format when the manifest names none; empty when there is no such engine."""
    return next((row.kind for row in rows.values() if found in row.reads and not row.server), "")


def require_engine(kind: str, rows: Rows = ENGINES) -> None:
    """Raise MissingExtra unless the engine's libraries are installed; none is imported."""
    require(engine_row(kind, rows))


def require(row: EngineRow) -> None:
    """Raise MissingExtra unless the row's libraries are installed; none is imported."""
    missing = [name for name in row.libraries if not _installed(name)]
    if missing:
        raise _missing(row, f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed")


def require_grpc() -> None:
    """Raise MissingExtra unless the gRPC door's libraries are installed; none is imported."""
    missing = [name for name in ("grpc", "google.protobuf") if not _installed(name)]
    if missing:
        raise MissingExtra(
            f"gateway.grpc: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
            hint="pip install 'modelwright[grpc]', or remove gateway.grpc",
        )


def require_deploy() -> None:
    """Raise MissingExtra unless what builds images is installed; none is imported."""
    missing = [name for name in ("cyclonedx", "docker") if not _installed(name)]
    if missing:
        raise MissingExtra(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
            hint="pip install 'modelwright[deploy]'",
        )


def tensor_engine(kind: str, rows: Rows = ENGINES) -> TensorEngine:
    """A fresh tensor engine; raises MissingExtra."""
    return cast("TensorEngine", _load(engine_row(kind, rows), "engine")())


def tokenizer_json(path: str, *, place: str, cut: int) -> Tokenizer:
    """A tokenizer of that file, not read yet; raises MissingExtra."""
    return cast("Tokenizer", _load(TOKENIZE, "engine")(path, place=place, cut=cut))


def own_engine(
    kind: str, *, folders: tuple[str, ...], place: str, at_once: int, seconds: float
) -> tuple[TensorEngine | None, CustomEngine | None]:
    """An engine for a class of the user's: the one of tensors when it declares some, otherwise the other one.

    `folders` are looked through for its module, `place` is for error texts. Raises StartError.
    """
    make = _load(engine_row(kind), "engine")
    return cast(
        "tuple[TensorEngine | None, CustomEngine | None]",
        make(kind, folders=folders, place=place, at_once=at_once, seconds=seconds),
    )


def text_engine(kind: str) -> TextEngine:
    """A fresh text engine; raises MissingExtra."""
    return cast("TextEngine", _load(engine_row(kind), "engine")())


def server_planner(kind: str) -> PlanServer:
    """What tells how the server of an external engine is started."""
    return cast("PlanServer", _load(engine_row(kind), "engine"))


def text_codec(kind: str, path: str) -> TextCodec:
    """The tokenizer and chat template of a text model; raises MissingExtra, or BadModelFile for its file."""
    return cast("TextCodec", _load(engine_row(kind), "codec")(path))


def decode_image(data: bytes) -> Array:
    """The pixels of an image file, [height, width, 3] of UINT8; raises Unprocessable, also without the extra."""
    if not _installed("PIL"):
        raise Unprocessable("this server decodes no images", hint="pip install 'modelwright[images]', or send pixels")
    decode: Callable[[bytes], Array] = import_module("modelwright.adapters.engines.pictures").pixels
    return decode(data)


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # it is there, but says itself that it cannot be imported
        return False


def _load(row: EngineRow, what: str) -> Any:
    module, _, name = (row.codec if what == "codec" else row.engine).partition(":")
    try:
        return getattr(import_module(module), name)
    except ImportError as error:
        raise _missing(row, str(error)) from error


def _missing(row: EngineRow, problem: str) -> MissingExtra:
    remedy = f"pip install 'modelwright[{row.extra}]'" if row.extra else "install modelwright again"
    if row.packages:
        remedy = f"pip install {row.packages}"
    return MissingExtra(f"engine {row.kind}: {problem}", hint=remedy)
