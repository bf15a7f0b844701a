"""Trains the quickstart's chat model on text that it generates, and writes its GGUF file, log and card.

    python examples/quickstart/train_chat.py            # about a quarter of an hour on two CPU cores

The text is drawn by chat_text.py, so nothing is downloaded. A tenth of the sums never occurs in training; the log and the
card give the share of them that the model answers exactly. Run verify_chat.py afterwards: it measures the quantised
file through the real engine and completes the card.
"""

import argparse
import importlib.metadata
import json
import math
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import chat_card
import torch
import torch.nn.functional as F
from chat_gguf import write_gguf
from chat_model import Llama, Shape
from chat_text import SEED, Source, Turn, test_turns
from chat_tokens import ChatFormat, train_tokenizer

MODELS = Path(__file__).parent / "models"
SHORT, LONG = (24, 128), (6, 512)  # rows and length of a batch; every sixth is long, so that a history is familiar
PEAK_RATE = 3e-3

Hidden = Callable[[torch.Tensor], torch.Tensor]


def main() -> None:
    """Train, measure, export."""
    options = _options()
    torch.manual_seed(SEED)
    torch.set_num_threads(options.threads)
    tokenizer = train_tokenizer(SEED)
    form = ChatFormat(tokenizer)
    model = Llama(Shape(vocabulary=tokenizer.get_vocab_size(), layers=options.layers))
    log = Log(options.log)
    log.write(event="start", parameters=sum(p.numel() for p in model.parameters()), steps=options.steps, seed=SEED)
    hidden = torch.compile(model.hidden, dynamic=False) if options.compile else model.hidden
    train(model, hidden, form=form, steps=options.steps, minutes=options.minutes, log=log)
    model.eval()
    if options.weights:
        torch.save(model.state_dict(), options.weights)
    measured = {name: round(exact_match(model, form, turns), 4) for name, turns in test_turns().items()}
    log.write(event="end", float32=measured)
    write_gguf(options.out, model, tokenizer=tokenizer, kind=options.kind)
    chat_card.write(options.out, model, log=options.log.name, float32=measured, environment=_environment())


class Log:
    """A file of JSON lines, also printed; each line carries the seconds since the start."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("w", encoding="utf-8")
        self.start = time.monotonic()

    def write(self, **facts: object) -> None:
        """Append one line."""
        line = json.dumps({"seconds": round(time.monotonic() - self.start, 1), **facts}, ensure_ascii=False)
        print(line, flush=True)
        self.file.write(line + "\n")
        self.file.flush()


def batches(form: ChatFormat) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless batches: ids [rows, length] and, for the same places, whether the id is part of an answer."""
    source = Source(SEED)
    while True:
        for rows, length in (SHORT, SHORT, SHORT, SHORT, SHORT, LONG):
            packed = [_row(source, form, length + 1) for _ in range(rows)]
            yield torch.tensor([ids for ids, _ in packed]), torch.tensor([learnt for _, learnt in packed])


def train(model: Llama, hidden: Hidden, *, form: ChatFormat, steps: int, minutes: float, log: Log) -> None:
    """Minimise the loss over the answers' tokens; the rate falls to zero at the last step or minute, whichever is first."""
    optimizers, data = _optimizers(model), batches(form)
    sample = {name: turns[:200] for name, turns in test_turns().items()}
    start, step, progress, losses = time.monotonic(), 0, 0.0, []
    while progress < 1:
        ids, learnt = next(data)
        rate = PEAK_RATE * min(1.0, (step + 1) / 60) * 0.5 * (1 + math.cos(math.pi * max(0.0, progress - 0.1) / 0.9))
        loss = answer_loss(model, hidden, ids=ids, learnt=learnt)
        loss.backward()
        _descend(model, optimizers, rate)
        losses.append(loss.item())
        step += 1
        progress = max(step / steps, (time.monotonic() - start) / (60 * minutes))
        if step % 50 == 0:
            log.write(event="train", step=step, loss=round(sum(losses) / len(losses), 4))
            losses.clear()
        if step % 250 == 0:
            log.write(event="test", step=step, **{k: exact_match(model, form, turns) for k, turns in sample.items()})


@torch.inference_mode()
def exact_match(model: Llama, form: ChatFormat, turns: list[Turn]) -> float:
    """The share of turns whose answer greedy decoding gives exactly (decoding follows the answer while it is the argmax)."""
    right = 0
    for start in range(0, len(turns), 64):
        some = [(form.prompt(turn), form.answer(turn)) for turn in turns[start : start + 64]]
        width = max(len(prompt) + len(answer) for prompt, answer in some)
        ids = torch.tensor(
            [prompt + answer + [form.end] * (width - len(prompt) - len(answer)) for prompt, answer in some]
        )
        chosen = model(ids).argmax(-1)
        for row, (prompt, answer) in enumerate(some):
            place = len(prompt) - 1
            right += chosen[row, place : place + len(answer)].tolist() == answer
    return right / len(turns)


def answer_loss(model: Llama, hidden: Hidden, *, ids: torch.Tensor, learnt: torch.Tensor) -> torch.Tensor:
    """The mean cross-entropy (nats) over the ids that belong to answers; the states in bfloat16."""
    wanted = learnt[:, 1:].reshape(-1)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model.head(hidden(ids[:, :-1]).reshape(-1, model.shape.hidden)[wanted])
    return F.cross_entropy(logits.float(), ids[:, 1:].reshape(-1)[wanted])


def _descend(model: Llama, optimizers: list[torch.optim.Optimizer], rate: float) -> None:
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def _optimizers(model: Llama) -> list[torch.optim.Optimizer]:
    inner = [p for p in model.blocks.parameters() if p.dim() == 2]
    known = {id(p) for p in inner}
    rest = [p for p in model.parameters() if id(p) not in known]
    return [
        torch.optim.Muon(inner, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def _row(source: Source, form: ChatFormat, length: int) -> tuple[list[int], list[bool]]:
    ids: list[int] = []
    learnt: list[bool] = []
    while len(ids) < length:
        more_ids, more_learnt = form.conversation(*source.conversation())
        ids += more_ids
        learnt += more_learnt
    return ids[:length], learnt[:length]


def _environment() -> dict[str, str]:
    names = ("torch", "numpy", "tokenizers", "gguf")
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in names}}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2600)
    parser.add_argument("--minutes", type=float, default=16, help="the rate falls to zero by then, however many steps")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument(
        "--compile", action="store_true", help="compile the model first (a third faster; needs a C++ compiler)"
    )
    parser.add_argument("--kind", choices=("q8_0", "q4_0", "f32"), default="q8_0")
    parser.add_argument("--out", type=Path, default=MODELS / "chat.gguf")
    parser.add_argument("--log", type=Path, default=MODELS / "chat.log.jsonl")
    parser.add_argument("--weights", type=Path, help="also keep the float32 weights here (torch.save)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
