"""Measures the committed chat model through the real engine, compares it with PyTorch, and completes its card.

    PYTHONPATH=src python examples/quickstart/verify_chat.py

The engine is OpenVINO GenAI's continuous batching, in float32, with token ids in and out; tokenizer and chat template
are those that Modelwright reads from the GGUF file. It fails when a token differs from PyTorch's greedy choice (with
the same dequantised weights), unless the two best choices are closer than float32 can tell.
"""

import argparse
import importlib.metadata
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import chat_card
import numpy as np
import openvino as ov
import openvino_genai as genai
import torch
from chat_gguf import read_weights
from chat_model import Llama, Shape
from chat_text import SEED, Source, Turn, test_turns

from modelwright.adapters.engines.chat_template import ChatTemplate
from modelwright.adapters.engines.gguf import build_tokenizer, read_gguf

MODEL = Path(__file__).parent / "models" / "chat.gguf"
# By default the engine would also round activations to 8 bits where weights are quantised.
PROPERTIES = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
LIMIT = 64  # tokens per answer


class Answer(NamedTuple):
    """The new ids with their natural log-probabilities."""

    ids: list[int]
    logprobs: list[float]


class Engine:
    """The pipeline, driven step by step."""

    def __init__(self, path: Path, threads: int) -> None:
        scheduler = genai.SchedulerConfig()
        scheduler.max_num_seqs = 32
        scheduler.num_kv_blocks = 32 * 17  # blocks of 32 tokens: 32 sequences of 512
        properties = PROPERTIES | {"INFERENCE_NUM_THREADS": threads}
        self.pipeline = genai.ContinuousBatchingPipeline(str(path), scheduler, "CPU", properties)

    def greedy(self, prompts: Sequence[list[int]], *, stop: int) -> list[Answer]:
        """The answers to all prompts, in order."""
        settings = genai.GenerationConfig(max_new_tokens=LIMIT, stop_token_ids={stop}, do_sample=False, logprobs=1)
        handles = [
            self.pipeline.add_request(number, ov.Tensor(np.array([prompt], np.int64)), settings)
            for number, prompt in enumerate(prompts)
        ]
        answers = [Answer([], []) for _ in prompts]
        while self.pipeline.has_non_finished_requests():
            self.pipeline.step()
            for answer, handle in zip(answers, handles, strict=True):
                while handle.can_read():
                    for output in handle.read().values():
                        answer.ids.extend(output.generated_ids)
                        answer.logprobs.extend(output.generated_log_probs)
        return answers


class Prompts:
    """Conversations to ids, as Modelwright does it."""

    def __init__(self, path: Path) -> None:
        self.model = read_gguf(path)
        self.tokenizer = build_tokenizer(self.model)
        self.template = ChatTemplate(
            self.model.chat_template or "", place=str(path), special_tokens=self.model.special_tokens
        )

    def ids(self, turns: Sequence[Turn]) -> list[int]:
        """The prompt that asks the last turn's question, the others being history."""
        messages = []
        for turn in turns:
            messages += [{"role": "user", "content": turn.question}, {"role": "assistant", "content": turn.answer}]
        return self.tokenizer.encode(self.template.render(messages[:-1]), add_special_tokens=False).ids

    def text(self, ids: list[int]) -> str:
        """An answer without its end."""
        return self.tokenizer.decode(ids, skip_special_tokens=True)


def main() -> None:
    """Measure, compare, write."""
    options = _options()
    torch.set_num_threads(options.threads)
    prompts, engine = Prompts(options.model), Engine(options.model, options.threads)
    stop = prompts.model.eos[0]
    groups = {name: [[turn] for turn in turns] for name, turns in test_turns().items()}
    groups["sums_after_history"] = with_history(groups["sums"])
    start, scores, generated = time.monotonic(), {}, 0
    for name, conversations in groups.items():
        answers = engine.greedy([prompts.ids(turns) for turns in conversations], stop=stop)
        texts = [prompts.text(answer.ids) for answer in answers]
        right = [text == turns[-1].answer for text, turns in zip(texts, conversations, strict=True)]
        scores[name] = round(sum(right) / len(right), 4)
        generated += sum(len(answer.ids) for answer in answers)
        show(name, conversations, texts=texts)
        print(f"{name}: {scores[name]:.4f} of {len(right)} exactly right", flush=True)
    seconds = time.monotonic() - start
    sample = [turns for conversations in groups.values() for turns in conversations[:12]]
    apart = compare(
        engine,
        read_weights(options.model, Shape(vocabulary=len(prompts.model.tokens), layers=prompts.model.layers)),
        prompts=prompts,
        sample=sample,
    )
    print(f"{generated} tokens in {seconds:.1f} s; log-probabilities differ from PyTorch's by at most {apart:.2g}")
    chat_card.add(
        options.model,
        {
            "exact_match_quantised_in_openvino_genai": scores,
            "largest_logprob_difference_from_pytorch": float(f"{apart:.2g}"),
            "verified_with": {
                name: importlib.metadata.version(name) for name in ("openvino", "openvino-genai", "tokenizers")
            },
        },
    )


def with_history(conversations: Sequence[list[Turn]]) -> list[list[Turn]]:
    """The same last questions after one to six other turns."""
    rng, source = random.Random(SEED + 2), Source(SEED + 2)
    return [[source.turn() for _ in range(rng.randint(1, 6))] + turns for turns in conversations]


def compare(engine: Engine, model: Llama, *, prompts: Prompts, sample: Sequence[list[Turn]]) -> float:
    """The largest difference of a log-probability between engine and PyTorch; raises when a token differs."""
    asked = [prompts.ids(turns) for turns in sample]
    apart = 0.0
    for prompt, answer in zip(asked, engine.greedy(asked, stop=prompts.model.eos[0]), strict=True):
        logprobs = _logprobs(model, prompt, answer.ids)
        chosen = logprobs[range(len(answer.ids)), answer.ids]
        if bool((logprobs.max(-1).values - chosen > 1e-3).any()):
            raise SystemExit(f"the engine's choice differs from PyTorch's for {prompts.tokenizer.decode(prompt)!r}")
        apart = max(apart, float((chosen - torch.tensor(answer.logprobs)).abs().max()))
    print(f"{len(asked)} answers have PyTorch's tokens")
    return apart


def show(name: str, conversations: Sequence[list[Turn]], *, texts: Sequence[str]) -> None:
    """Print the first wrong answers of a group."""
    wrong = [(turns[-1], text) for turns, text in zip(conversations, texts, strict=True) if text != turns[-1].answer]
    for turn, text in wrong[:8]:
        print(f"  {name}: {turn.question!r} got {text!r}, not {turn.answer!r}")


@torch.inference_mode()
def _logprobs(model: Llama, prompt: list[int], answer: list[int]) -> torch.Tensor:
    logits = model(torch.tensor([prompt + answer]))[0, len(prompt) - 1 : -1]
    return torch.log_softmax(logits, -1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
