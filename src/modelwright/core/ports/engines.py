"""Ports: engines that execute a model version in process; one for tensors, one for text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
else:
    Array = Any


class EngineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine may know of its model."""

    model: str
    """Name in the manifest, for error texts."""
    path: str
    """Absolute path of the file or folder."""
    threads: int = 1
    """Compute threads of this engine, its share of the one budget."""
    precision: str = "f32"
    """f32 | bf16 | f16: never chosen silently."""
    device: str = "cpu"
    """cpu | cuda:0 and so on; an engine that cannot use it raises StartError, and never takes another one."""
    gpus: tuple[str, ...] = ()
    """The GPUs that its process sees, where they were given to it; `device` counts them from 0."""
    gpu_memory: int = 0
    """Bytes of its one GPU that it may have, of which it shares the rest; 0: all of it."""
    gpu_share: float = 0.0
    """The same as a share of that GPU's memory."""
    options: dict[str, Any] = {}
    """Engine's own settings from the manifest, already checked."""
    check: str = ""
    """JSON body of a real request, if the manifest names one: for formats that do not say what they take."""


class TensorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One input or output."""

    name: str
    datatype: str
    """V2 name: BOOL INT8 … UINT64 FP16 FP32 FP64 BYTES."""
    shape: tuple[int, ...]
    """-1 for a free dimension; the first one, when free, is the batch."""


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What a tensor model takes and gives."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    platform: str
    """V2 platform name, such as `onnxruntime_onnx`."""
    precision: str = "f32"
    details: dict[str, str | float] = {}
    """What else the metadata tells, such as `x.scale` of a quantised input."""
    rows: bool = True
    """False: the engine knows that its first dimension is no batch, though it is free."""
    inline: bool = True
    """False: it never runs on the event loop, however short it is."""

    @property
    def batches(self) -> bool:
        """Whether requests may be joined and split by rows: every first dimension is a free one and a batch."""
        specs = (*self.inputs, *self.outputs)
        return self.rows and bool(self.inputs) and all(spec.shape and spec.shape[0] == -1 for spec in specs)


class Predictor(Protocol):
    """Executes what is loaded; called from one thread at a time."""

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run one batch: inputs by name, each [rows, …] of its spec's dtype (BYTES: object array of bytes).

        Returns every output by name, in the signature's order. Raises EngineFailed with the engine's own words, or
        Unprocessable when the engine says that these values cannot be taken; it can be called again after either.
        """
        ...

    def close(self) -> None:
        """Give the memory back."""
        ...


class TensorEngine(Predictor, Protocol):
    """Reads a tensor model and executes it; called from one thread at a time."""

    def load(self, config: EngineConfig) -> Signature:
        """Read the model; raises BadModelFile or MissingExtra."""
        ...


class TextSignature(msgspec.Struct, frozen=True, kw_only=True):
    """What a text model can do."""

    architecture: str
    context: int
    """Tokens of prompt and answer together."""
    vocabulary: int
    eos: tuple[int, ...]
    precision: str = "f32"


class Constraint(msgspec.Struct, frozen=True):
    """A grammar that an answer must follow from its first to its last character."""

    kind: str
    """json_schema | regex | grammar (EBNF)."""
    text: str


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How the next token is chosen; the OpenAI wire's meanings."""

    max_tokens: int
    temperature: float = 1.0
    """0 is greedy."""
    top_p: float = 1.0
    top_k: int = 0
    """0: all."""
    min_p: float = 0.0
    """Tokens less likely than this share of the likeliest one's chance are left out."""
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    """1: none."""
    min_tokens: int = 0
    """No end before so many."""
    stop_tokens: tuple[int, ...] = ()
    """These end the answer as the model's own end tokens do, and are no part of it."""
    seed: int | None = None
    logprobs: int | None = None
    """Alternatives per token; None: no log-probabilities."""
    constraint: Constraint | None = None
    """What the answer must follow."""


class TokenLogprob(msgspec.Struct, frozen=True):
    """Natural logarithms."""

    token: int
    logprob: float


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """What one step added to one request."""

    request: int
    tokens: tuple[int, ...]
    logprobs: tuple[TokenLogprob, ...] = ()
    finish: str | None = None
    """stop | length | error | refused, with the last delta of a request; refused: the request itself is at fault."""
    error: str = ""
    """The engine's own words when `finish` is error or refused."""


class TextEngine(Protocol):
    """Continuous batching of token sequences; all verbs are called from one thread."""

    cache_usage: float
    """Share of the key-value cache that running requests held at the last step, 0 to 1."""

    def load(self, config: EngineConfig) -> TextSignature:
        """Read the model; raises BadModelFile or MissingExtra."""
        ...

    def submit(self, request: int, prompt: Sequence[int], sampling: Sampling) -> None:
        """Add a request to the running batch; raises EngineFailed when the engine refuses it."""
        ...

    def step(self) -> list[Delta]:
        """Advance every running request by one step; an empty list when nothing runs."""
        ...

    def cancel(self, request: int) -> None:
        """Forget a request and free its slot; unknown numbers are ignored."""
        ...


class Decoder(Protocol):
    """Turns one answer's tokens into text piece by piece, never half a character."""

    def push(self, tokens: Sequence[int]) -> str:
        """The text that is complete by now and was not returned before."""
        ...

    def finish(self) -> str:
        """What is left."""
        ...


class TextCodec(Protocol):
    """The tokenizer and chat template of a text model; `encode` and `prompt` may be called from any thread."""

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text, without special tokens."""
        ...

    def prompt(self, messages: Sequence[Mapping[str, Any]]) -> list[int]:
        """Token ids of a conversation by the model's chat template; raises Malformed when the template refuses it."""
        ...

    def decoder(self) -> Decoder:
        """A fresh decoder for one answer."""
        ...

    def text(self, token: int) -> bytes:
        """The bytes of one token, for log-probabilities."""
        ...


class Tokens(NamedTuple):
    """A text as a model reads it."""

    ids: Sequence[int]
    types: Sequence[int]
    """The segment of each id; empty: all of the first."""


class Tokenizer(Protocol):
    """Texts to token ids; once loaded, it may be called from several threads at a time."""

    vocabulary: int
    """Ids are below it."""
    padding: int
    """The id that fills rows up."""

    def load(self) -> None:
        """Read the tokenizer; raises StartError."""
        ...

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """Ids with the special tokens around them."""
        ...


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a form."""

    name: str
    data: bytes
    filename: str = ""
    """Empty: the part is no file but a text."""
    content_type: str = ""


class CustomSignature(msgspec.Struct, frozen=True, kw_only=True):
    """What a class takes and gives, as JSON Schemas that hold their own definitions below `$defs`."""

    takes: dict[str, Any]
    """Of the whole request."""
    gives: dict[str, Any]
    """Of the whole answer; empty: anything."""
    pieces: dict[str, Any] | None = None
    """Of one piece of a stream; None: it does not stream."""
    files: tuple[str, ...] = ()
    """Inputs that may come as files of a form."""
    whole: bool = True
    """Whether it answers as a whole; a class that only streams has its pieces joined to one list."""
    at_once: int = 1
    """Calls that run at once."""
    one_loop: bool = False
    """They share a loop: one that does not let go of it stops all."""


class Answer(msgspec.Struct, frozen=True):
    """What goes back."""

    body: bytes
    content_type: str = "application/json"


class Pieces(Protocol):
    """The pieces of one answer, asked for one after the other."""

    def next(self) -> Future[bytes | None]:
        """The next one as JSON in one line; None at the end. The future fails as that of `Invocation.answer`."""
        ...

    def close(self) -> Future[None]:
        """End the user's generator, wherever it is."""
        ...


class Invocation(Protocol):
    """One call of the class, its arguments checked."""

    def answer(self) -> Future[Answer]:
        """Begin to run. The future fails with EngineFailed, or with the CallError that the class itself raised.

        It is done when the method has ended: cancelling it asks an `async` method to end, another one runs on.
        """
        ...

    def pieces(self) -> Pieces:
        """Begin to stream; raises Unprocessable when the class does not."""
        ...


class CustomEngine(Protocol):
    """Runs one class of the user's."""

    def load(self, config: EngineConfig) -> CustomSignature:
        """Make and load it; raises StartError with the file and line of what is wrong."""
        ...

    def read(self, given: bytes | list[Part], *, stream: bool) -> Invocation:
        """Check what came, a JSON body or the parts of a form; raises Malformed, or Unprocessable naming the input."""
        ...

    def close(self) -> None:
        """Wait for nothing, and give the memory back."""
        ...
