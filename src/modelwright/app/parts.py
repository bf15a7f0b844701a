"""What the supervisor hands to each worker process: values, as JSON in a 0600 file of the runtime directory.

Layout of the runtime directory (0700, short path): `base.json` (snapshot without keys, by the supervisor),
`snapshot.json` (with keys, by control), `keys.alive` (touched by control while that holds every key), `status.json` (by
the supervisor), `<part>.sock` (each worker's own door), `control.sock` (0600, the CLI's door). State that must survive
lives in `.modelwright/` beside the manifest: `run.json` (pointer to the runtime directory), `modelwright.db`, `pepper`,
`salt`, `host`, `issuers.json`, `spool/`, `keys/`, `logs/`, `releases/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from modelwright.app.sources.located import Located
from modelwright.core.resources.wants import Given, Wants


class ModelPart(msgspec.Struct, frozen=True, kw_only=True):
    """The model that a serving worker loads."""

    model: str
    engine: str
    """Kind, a name in app/plugins."""
    wire: str
    """v2 | openai | plain."""
    path: str
    on_demand: bool = False
    """A call has started it: calls wait until it is loaded."""
    version: str = "1"
    """As V2 names it."""
    digest: str = ""
    """`sha256:…` of the file or folder; what is loaded has it."""
    promised: bool = False
    """Somebody said what the digest has to be: all of it is read before it is loaded, and compared."""
    marks: str = ""
    """Of what the digest was taken of (app/artifacts/digests); when they are others now, it is read again, too. Empty
    where nobody writes it.
    """
    threads: int = 1
    precision: str = "f32"
    device: str = "cpu"
    """cpu | cuda:0 and so on."""
    gpus: tuple[str, ...] = ()
    """GPUs that its process was given; it sees no others."""
    gpu_memory: int = 0
    """Bytes of its one GPU that it may have; 0: all of it."""
    gpu_share: float = 0.0
    """The same as a share of that GPU's memory."""
    options: dict[str, Any] = {}
    check: str = ""
    """JSON body of a real request that proves readiness; empty: zeros of the signature, or a one-token answer."""
    labels: str = ""
    """Path of the names of its classes; empty: they have none."""
    max_rows: int = 32
    queue_rows: int = 256
    queue_bytes: int = 256 << 20
    tune: bool = False
    """Tensors: the best threads and rows, within `threads` and `max_rows`, are found out when it is loaded."""
    levels: LevelsPart | None = None
    """Tensors: requests that go before others; None: there are none."""
    max_sequences: int = 16
    """Text: sequences that run at once."""
    max_body: int = 32 << 20
    pipeline: PipelinePart | None = None
    """Steps that answer as this model, which then has no file of its own."""
    concurrency: int = 0
    """Of a class of the user's: calls that run at once; 0 lets it choose."""
    timeout: float = 60.0
    """Likewise: seconds that a call, or one piece of a stream, may take."""
    env: dict[str, str] = {}
    """Variables of its process; the supervisor alone knows them, and writes them nowhere."""

    @property
    def told(self) -> str:
        """Its name for people; a version that was given no name has none."""
        return self.model if self.version == "1" else f"{self.model}@{self.version}"


class LevelsPart(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that go before others, by their `priority`."""

    count: int
    default: int
    patience: int
    """Batches that may go before a level that waits."""
    queue_rows: dict[int, int] = {}
    """Rows of a level that may wait."""


class StepPart(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a pipeline."""

    name: str
    kind: str
    """tokenize | model | pool | normalize | activate | label."""
    inputs: dict[str, str] = {}
    outputs: dict[str, str] = {}
    settings: dict[str, Any] = {}
    """Of its kind."""
    model: ModelPart | None = None
    file: Located | None = None


class EmbeddingsPart(msgspec.Struct, frozen=True, kw_only=True):
    """How `/v1/embeddings` is answered."""

    shorten: bool = False
    """`dimensions` may cut vectors off."""
    max_inputs: int = 2048


class PipelinePart(msgspec.Struct, frozen=True, kw_only=True):
    """Several steps that answer as one model."""

    steps: tuple[StepPart, ...]
    outputs: dict[str, str] = {}
    """What clients get: a name to a tensor; empty: all that the last step gives."""
    embeddings: EmbeddingsPart | None = None
    """None: it answers no embeddings."""


class GrpcPart(msgspec.Struct, frozen=True, kw_only=True):
    """What the gRPC door is told."""

    gateways: tuple[str, ...]
    """Parts whose sockets it asks, each in turn."""
    max_body: int
    """Bytes of a request."""
    max_calls: int
    """Calls at once."""


class PartSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One worker process."""

    name: str
    """`gateway-0`, `serving-digits-0`, `grpc-0`, `control`: also the socket's file name."""
    kind: str
    """grpc | gateway | serving | control."""
    runtime: str
    state: str
    base: str
    """Directory of the manifest: relative files and `.env` files are found from here."""
    environment: str
    grace: float = 30.0
    """Seconds that a drain may take."""
    sockets: dict[str, int] = {}
    """Inherited listening sockets: `public`, `admin`, `own` → file descriptor."""
    addresses: dict[str, str] = {}
    """What the worker opens itself: `grpc` → `host:port`, held for it by the supervisor."""
    lifeline: int = -1
    """Reads end-of-file when the supervisor is gone: the worker drains and ends."""
    notify: int = -1
    """The worker writes its state here, one JSON object per line."""
    secrets: int = -1
    """Memory with the secrets of stores (app/secret_stores/handing.py), for gateways and control."""
    database: str = ""
    """Of control: the address of the database that hosts share, secrets unresolved; empty: a file of its own."""
    release: str = ""
    log_level: str = "info"
    """Least level of messages; a line per request is always written."""
    model: ModelPart | None = None
    group: tuple[ModelPart, ...] = ()
    """Instead of `model`: those that share the process."""
    wants: Wants = Wants()
    """What the process asks of the machine."""
    given: Given = Given()
    """What it has of it."""
    grpc: GrpcPart | None = None

    @property
    def models(self) -> tuple[ModelPart, ...]:
        """Those that it runs."""
        return (self.model,) if self.model is not None else self.group


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's word to the supervisor."""

    state: str
    """starting | ready | failed."""
    detail: str = ""
    fatal: bool = False
    """Starting again would fail in the same way (bad model file, missing extra): do not."""


def digests_of(part: ModelPart) -> Iterator[str]:
    """Of all that a worker of this part loads, its pipeline's steps included."""
    yield part.digest
    for step in part.pipeline.steps if part.pipeline is not None else ():
        if step.model is not None:
            yield from digests_of(step.model)
