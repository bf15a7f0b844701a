"""OpenVINO GenAI's continuous batching for GGUF files and OpenVINO folders: ids in and out, its tokenizer is not used.

Precision is what the manifest says, for computing, activations and the key-value cache alike: by default the library
picks bfloat16 on some processors, and 8 bits for the cache and for activations, without a word.

A grammar that the library cannot compile breaks its pipeline for good, at the next step. So each one is tried
elsewhere first. Should the pipeline break all the same, a new one is made; it fails the requests that brought the
grammar and lets the others go on where they were.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import openvino as ov
import openvino_genai as genai

from modelwright.adapters.engines.gguf import GgufModel, read_gguf
from modelwright.adapters.engines.grammar_child import last_line, structured
from modelwright.adapters.engines.grammar_trial import GrammarTrial
from modelwright.adapters.engines.grammar_watch import GrammarWatch
from modelwright.adapters.engines.hf_folder import EXPORT, HfFolder, read_folder, read_tokens
from modelwright.core.errors.calls import EngineFailed, Unprocessable
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.nearest import nearest
from modelwright.core.ports.engines import Constraint, Delta, EngineConfig, Sampling, TextSignature, TokenLogprob

BLOCK = 32
"""Tokens per key-value block on the CPU device."""
_CACHE_BYTES = {"f32": 4, "f16": 2, "bf16": 2}
_DEFAULT_CACHE = 256 << 20
_TRIAL = 0.05
"""Seconds that a step waits for the trial of a grammar when there is nothing else to do."""
_TOLD = {"json_schema": "JSON schema", "regex": "regular expression", "grammar": "grammar"}
_OPTIONS = ("context", "cache", "max_sequences", "prefix_cache")
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
        self._trial = GrammarTrial()
        self._watch = GrammarWatch()
        self._tried: dict[int, tuple[Future[str], tuple[int, ...], Sampling]] = {}
        """Requests whose grammar is being tried."""
        self._eos: set[int] = set()
        self._constrains = True
        self.cache_usage = 0.0

    def load(self, config: EngineConfig) -> TextSignature:
        """Read the file or folder; options: `context` (tokens, 0 for the model's own), `cache` (bytes),
        `max_sequences`, `prefix_cache` (keep what was computed of prompts; true unless it is turned off).
        """
        check_options(config)
        model: GgufModel | HfFolder
        folder = Path(config.path).is_dir()
        model = read_folder(config.path) if folder else read_gguf(config.path)
        context = min(int(config.options.get("context") or model.context), model.context)
        scheduler = genai.SchedulerConfig()
        scheduler.num_kv_blocks = _blocks(model, config, context)
        scheduler.max_num_seqs = int(config.options.get("max_sequences", 16))
        scheduler.max_num_batched_tokens = max(256, min(context, 2048))
        scheduler.dynamic_split_fuse = True
        scheduler.enable_prefix_caching = bool(config.options.get("prefix_cache", True))
        properties = {
            "INFERENCE_PRECISION_HINT": config.precision,
            "KV_CACHE_PRECISION": config.precision,
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
            "INFERENCE_NUM_THREADS": config.threads,
        }
        self._open = lambda: genai.ContinuousBatchingPipeline(config.path, scheduler, "CPU", properties)
        self._eos = set(model.eos)
        self._constrains = model.constrains if isinstance(model, HfFolder) else True
        self._trial = GrammarTrial(partial(_tokens, model))
        try:
            self._pipeline = self._open()
        except (RuntimeError, IndexError, ValueError) as error:
            raise BadModelFile(
                f"OpenVINO cannot load it: {last_line(error)}",
                place=config.path,
                hint=EXPORT if folder else "quantise it as f16, q8_0 or q4_0",
            ) from error
        return TextSignature(
            architecture=model.architecture,
            context=context,
            vocabulary=model.vocabulary,
            eos=model.eos,
            precision=config.precision,
        )

    def submit(self, request: int, prompt: Sequence[int], sampling: Sampling) -> None:
        """Add a request to the running batch; one with a grammar once that was found good."""
        if sampling.constraint is not None:
            if not self._constrains:
                raise Unprocessable(
                    "this model's folder has no openvino_tokenizer.xml, without which no answer can be bound to a form",
                    hint=EXPORT,
                )
            self._tried[request] = (self._trial.verdict(sampling.constraint), tuple(prompt), sampling)
            return
        self._running[request] = _Running(self._add(request, prompt, sampling), tuple(prompt), sampling)

    def step(self) -> list[Delta]:
        """One token for every running request."""
        refused = self._take_tried() if self._tried else []
        if not self._running:
            self.cache_usage = 0.0
            return refused
        decodes = all(running.made for running in self._running.values())
        begun = time.process_time()
        try:
            self._pipeline.step()
        except RuntimeError as error:
            return refused + self._recover(error)
        spent = time.process_time() - begun
        self.cache_usage = self._pipeline.get_metrics().cache_usage / 100
        deltas = [delta for request, running in self._running.items() for delta in self._read(request, running)]
        for delta in deltas:
            if delta.finish:
                del self._running[delta.request]
        return refused + deltas + (self._end_slow(spent) if decodes else [])

    def cancel(self, request: int) -> None:
        """Free its place in the batch and its cache."""
        self._tried.pop(request, None)
        running = self._running.pop(request, None)
        if running is not None:
            running.handle.cancel()
            self._pipeline.step()

    def _end_slow(self, seconds: float) -> list[Delta]:
        """End the answer whose grammar makes steps slower and slower."""
        bound = [request for request, running in self._running.items() if running.sampling.constraint is not None]
        slow = self._watch.spent(seconds, bound)
        if slow is None:
            return []
        grammar = self._running[slow].sampling.constraint
        words = f"the {_told(grammar)} says the same in too many ways: a token takes {seconds:.1f} s to find"
        self.cancel(slow)
        # Of several, nobody knows whose it was.
        return [Delta(request=slow, tokens=(), finish="refused" if len(bound) == 1 else "error", error=words)]

    def _add(self, request: int, prompt: Sequence[int], sampling: Sampling) -> Any:
        ids = ov.Tensor(np.asarray([prompt], dtype=np.int64))
        try:
            return self._pipeline.add_request(request, ids, self._generation(sampling))
        except (RuntimeError, ValueError) as error:
            raise EngineFailed(
                f"the engine refuses the request: {last_line(error)}", hint="change its sampling parameters"
            ) from error

    def _take_tried(self) -> list[Delta]:
        """Add the requests whose grammar is good by now, and refuse those whose grammar is not."""
        if not self._running:
            wait([verdict for verdict, _, _ in self._tried.values()], timeout=_TRIAL, return_when=FIRST_COMPLETED)
        ended: list[Delta] = []
        for request, (verdict, prompt, sampling) in tuple(self._tried.items()):
            if not verdict.done():
                continue
            del self._tried[request]
            if words := verdict.result():
                problem = _uncompiled(sampling.constraint, words)
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
            if running.sampling.constraint is not None and not running.made
        ]
        if not blamed:
            raise error
        words = _uncompiled(self._running[blamed[0]].sampling.constraint, last_line(error))
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
            deltas.extend(
                self._delta(request, output, stop_tokens=running.sampling.stop_tokens)
                for output in running.handle.read().values()
            )
        for delta in deltas:
            running.made.extend(delta.tokens)
        if not deltas and running.handle.get_status() == genai.GenerationStatus.IGNORED:
            problem = "the engine's key-value cache cannot hold this request"
            deltas.append(Delta(request=request, tokens=(), finish="error", error=problem))
        return deltas

    def _delta(self, request: int, output: Any, *, stop_tokens: tuple[int, ...]) -> Delta:
        tokens = tuple(output.generated_ids)
        finish = {
            genai.GenerationFinishReason.STOP: "stop",
            genai.GenerationFinishReason.LENGTH: "length",
        }.get(output.finish_reason)
        ends = self._eos.union(stop_tokens) if stop_tokens else self._eos
        if finish == "length" and tokens and tokens[-1] in ends:
            finish = "stop"
        if finish == "stop":  # the end token is no part of the answer's text
            tokens = tuple(token for token in tokens if token not in ends)
        logprobs = tuple(map(TokenLogprob, tokens, output.generated_log_probs))
        return Delta(request=request, tokens=tokens, logprobs=logprobs, finish=finish)

    def _generation(self, sampling: Sampling) -> Any:
        chance = min(sampling.temperature, sampling.top_p) >= _NO_CHANCE
        settings: dict[str, Any] = {
            "max_new_tokens": sampling.max_tokens,
            "stop_token_ids": self._eos.union(sampling.stop_tokens),
            "do_sample": chance,
            "presence_penalty": sampling.presence_penalty,
            "frequency_penalty": sampling.frequency_penalty,
            "repetition_penalty": sampling.repetition_penalty,
            "logprobs": 0 if sampling.logprobs is None else 1,
        }
        if self._eos:
            settings["eos_token_id"] = min(self._eos)
        if sampling.min_tokens:
            settings["min_new_tokens"] = min(sampling.min_tokens, sampling.max_tokens)
        if chance:
            settings |= {"temperature": sampling.temperature, "top_p": sampling.top_p, "min_p": sampling.min_p}
            if sampling.top_k:
                settings["top_k"] = sampling.top_k
            if sampling.seed is not None:
                settings["rng_seed"] = sampling.seed % 2**63
        if sampling.constraint is not None:
            settings["structured_output_config"] = structured(sampling.constraint.kind, sampling.constraint.text)
        return genai.GenerationConfig(**settings)


def _tokens(model: GgufModel | HfFolder) -> tuple[str, ...]:
    return read_tokens(model.path) if isinstance(model, HfFolder) else model.tokens


def check_options(config: EngineConfig) -> None:
    """Raise StartError for an option that this engine does not have."""
    for name in config.options:
        if name not in _OPTIONS:
            close = nearest(name, _OPTIONS)
            raise StartError(
                f"model {config.model}: the engine openvino-llm has no option {name!r}",
                hint=f"did you mean {close!r}?" if close else f"take one of {', '.join(_OPTIONS)}",
            )


def _uncompiled(grammar: Constraint | None, words: str) -> str:
    return f"the {_told(grammar)} cannot be compiled: {words}"


def _told(grammar: Constraint | None) -> str:
    return _TOLD[grammar.kind] if grammar else "grammar"


def _blocks(model: GgufModel | HfFolder, config: EngineConfig, context: int) -> int:
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
