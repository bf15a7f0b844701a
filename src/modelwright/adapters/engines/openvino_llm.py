"""OpenVINO GenAI's continuous batching for GGUF models: token ids in and out, since its own tokenizer is not used.

Precision is what the manifest says, for computing, activations and the key-value cache alike: by default the library
picks bfloat16 on some processors, and 8 bits for the cache and for activations, without a word.

A grammar that the library cannot compile breaks its pipeline for good, at the next step. So each schema is tried
elsewhere first. Should the pipeline break all the same, a new one is made; it fails the requests that brought the
grammar and lets the others go on where they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import openvino as ov
import openvino_genai as genai

from modelwright.adapters.engines.gguf import GgufModel, read_gguf
from modelwright.adapters.engines.schema_trial import SchemaTrial, last_line
from modelwright.core.errors.calls import EngineFailed
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.engines import Delta, EngineConfig, Sampling, TextSignature, TokenLogprob

BLOCK = 32
"""Tokens per key-value block on the CPU device."""
_CACHE_BYTES = {"f32": 4, "f16": 2, "bf16": 2}
_DEFAULT_CACHE = 256 << 20
_TRIAL = 0.05
"""Seconds that a step waits for the trial of a schema when there is nothing else to do."""
_NO_CHANCE = 1e-6
"""Below it temperature and top_p leave only the likeliest token; the library refuses what is 0 as a 32-bit float."""


@dataclass
class _Running:
    """A request in the pipeline, with what is needed to go on in another one."""

    handle: Any
    prompt: tuple[int, ...]
    sampling: Sampling
    made: list[int] = field(default_factory=list)


class OpenVinoLlm:
    """One pipeline; its requests advance together, one token per step."""

    def __init__(self) -> None:
        self._open: Callable[[], Any] = _nothing
        self._pipeline: Any = None
        self._running: dict[int, _Running] = {}
        self._trial = SchemaTrial()
        self._tried: dict[int, tuple[Future[str], tuple[int, ...], Sampling]] = {}
        """Requests whose schema is being tried."""
        self._eos: set[int] = set()

    def load(self, config: EngineConfig) -> TextSignature:
        """Read the file; options: `context` (tokens, 0 for the model's own), `cache` (bytes), `max_sequences`."""
        model = read_gguf(config.path)
        context = min(int(config.options.get("context") or model.context), model.context)
        scheduler = genai.SchedulerConfig()
        scheduler.num_kv_blocks = _blocks(model, config, context)
        scheduler.max_num_seqs = int(config.options.get("max_sequences", 16))
        scheduler.max_num_batched_tokens = max(256, min(context, 2048))
        scheduler.dynamic_split_fuse = True
        properties = {
            "INFERENCE_PRECISION_HINT": config.precision,
            "KV_CACHE_PRECISION": config.precision,
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
            "INFERENCE_NUM_THREADS": config.threads,
        }
        self._open = lambda: genai.ContinuousBatchingPipeline(config.path, scheduler, "CPU", properties)
        self._eos = set(model.eos)
        try:
            self._pipeline = self._open()
        except (RuntimeError, IndexError, ValueError) as error:
            raise BadModelFile(
                f"OpenVINO cannot load it: {last_line(error)}",
                place=config.path,
                hint="quantise it as f16, q8_0 or q4_0",
            ) from error
        return TextSignature(
            architecture=model.architecture,
            context=context,
            vocabulary=len(model.tokens),
            eos=model.eos,
            precision=config.precision,
        )

    def submit(self, request: int, prompt: Sequence[int], sampling: Sampling) -> None:
        """Add a request to the running batch; one with a schema once that was found good."""
        if sampling.json_schema is not None:
            self._tried[request] = (self._trial.verdict(sampling.json_schema), tuple(prompt), sampling)
            return
        self._running[request] = _Running(self._add(request, prompt, sampling), tuple(prompt), sampling)

    def step(self) -> list[Delta]:
        """One token for every running request."""
        refused = self._take_tried() if self._tried else []
        if not self._running:
            return refused
        try:
            self._pipeline.step()
        except RuntimeError as error:
            return refused + self._recover(error)
        deltas = refused + [
            delta for request, running in self._running.items() for delta in self._read(request, running)
        ]
        for delta in deltas:
            if delta.finish:
                del self._running[delta.request]
        return refused + deltas

    def cancel(self, request: int) -> None:
        """Free its place in the batch and its cache."""
        self._tried.pop(request, None)
        running = self._running.pop(request, None)
        if running is not None:
            running.handle.cancel()
            self._pipeline.step()

    def _add(self, request: int, prompt: Sequence[int], sampling: Sampling) -> Any:
        ids = ov.Tensor(np.asarray([prompt], dtype=np.int64))
        try:
            return self._pipeline.add_request(request, ids, self._generation(sampling))
        except (RuntimeError, ValueError) as error:
            raise EngineFailed(
                f"the engine refuses the request: {last_line(error)}", hint="change its sampling parameters"
            ) from error

    def _take_tried(self) -> list[Delta]:
        """Add the requests whose schema is good by now, and refuse those whose schema is not."""
        if not self._running:
            wait([verdict for verdict, _, _ in self._tried.values()], timeout=_TRIAL, return_when=FIRST_COMPLETED)
        ended: list[Delta] = []
        for request, (verdict, prompt, sampling) in tuple(self._tried.items()):
            if not verdict.done():
                continue
            del self._tried[request]
            if words := verdict.result():
                problem = f"the JSON schema cannot be compiled: {words}"
                ended.append(Delta(request=request, tokens=(), finish="refused", error=problem))
                continue
            try:
                self._running[request] = _Running(self._add(request, prompt, sampling), prompt, sampling)
            except EngineFailed as error:
                ended.append(Delta(request=request, tokens=(), finish="error", error=error.message))
        return ended

    def _recover(self, error: RuntimeError) -> list[Delta]:
        """A new pipeline without the requests whose grammar may be to blame; raises the error when none is."""
        blamed = [
            request
            for request, running in self._running.items()
            if running.sampling.json_schema is not None and not running.made
        ]
        if not blamed:
            raise error
        words = f"the JSON schema cannot be compiled: {last_line(error)}"
        finish = "refused" if len(blamed) == 1 else "error"  # of several, nobody knows whose it was
        for request in blamed:
            del self._running[request]
        self._pipeline = self._open()
        for request, running in self._running.items():
            rest = msgspec.structs.replace(running.sampling, max_tokens=running.sampling.max_tokens - len(running.made))
            running.handle = self._add(request, (*running.prompt, *running.made), rest)
        return [Delta(request=request, tokens=(), finish=finish, error=words) for request in blamed]

    def _read(self, request: int, running: _Running) -> list[Delta]:
        deltas: list[Delta] = []
        while running.handle.can_read():
            deltas.extend(self._delta(request, output) for output in running.handle.read().values())
        for delta in deltas:
            running.made.extend(delta.tokens)
        if not deltas and running.handle.get_status() == genai.GenerationStatus.IGNORED:
            problem = "the engine's key-value cache cannot hold this request"
            deltas.append(Delta(request=request, tokens=(), finish="error", error=problem))
        return deltas

    def _delta(self, request: int, output: Any) -> Delta:
        tokens = tuple(output.generated_ids)
        finish = {
            genai.GenerationFinishReason.STOP: "stop",
            genai.GenerationFinishReason.LENGTH: "length",
        }.get(output.finish_reason)
        if finish == "length" and tokens and tokens[-1] in self._eos:
            finish = "stop"
        if finish == "stop":  # the end token is no part of the answer's text
            tokens = tuple(token for token in tokens if token not in self._eos)
        logprobs = tuple(map(TokenLogprob, tokens, output.generated_log_probs))
        return Delta(request=request, tokens=tokens, logprobs=logprobs, finish=finish)

    def _generation(self, sampling: Sampling) -> Any:
        chance = min(sampling.temperature, sampling.top_p) >= _NO_CHANCE
        settings: dict[str, Any] = {
            "max_new_tokens": sampling.max_tokens,
            "stop_token_ids": self._eos,
            "do_sample": chance,
            "presence_penalty": sampling.presence_penalty,
            "frequency_penalty": sampling.frequency_penalty,
            "logprobs": 0 if sampling.logprobs is None else 1,
        }
        if chance:
            settings |= {"temperature": sampling.temperature, "top_p": sampling.top_p}
            if sampling.top_k:
                settings["top_k"] = sampling.top_k
            if sampling.seed is not None:
                settings["rng_seed"] = sampling.seed % 2**63
        if sampling.json_schema is not None:
            settings["structured_output_config"] = genai.StructuredOutputConfig(json_schema=sampling.json_schema)
        return genai.GenerationConfig(**settings)


def _blocks(model: GgufModel, config: EngineConfig, context: int) -> int:
    """Key-value blocks that fit the cache; raises StartError when not even one full context does."""
    per_block = 2 * model.layers * model.kv_heads * model.head_size * BLOCK * _CACHE_BYTES[config.precision]
    cache = int(config.options.get("cache") or _DEFAULT_CACHE)
    needed = -(-context // BLOCK) + 1
    if cache // per_block < needed:
        raise StartError(
            f"model {config.model}: a key-value cache of {cache} bytes holds {cache // per_block * BLOCK} tokens, "
            f"its context is {context}",
            hint=f"set engine.cache to {-(-needed * per_block // (1 << 20))}MiB or more, or lower engine.context",
        )
    return cache // per_block


def _nothing() -> Any:
    raise EngineFailed("no model is loaded", hint="load one first")
