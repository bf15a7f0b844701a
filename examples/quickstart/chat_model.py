"""A small Llama in plain PyTorch, for training and checking the example chat model; it reads and writes no files."""

import dataclasses

import torch
import torch.nn.functional as F
from torch import nn


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shape:
    """The sizes of the model; every row length is a multiple of 32, as q8_0 blocks want it."""

    vocabulary: int
    hidden: int = 256
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    feed_forward: int = 704
    context: int = 512
    rope_base: float = 10000.0
    epsilon: float = 1e-5

    @property
    def head(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads


class Block(nn.Module):
    """Grouped-query attention with rotary positions, then SwiGLU; both behind RMSNorm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        kv = shape.kv_heads * shape.head
        self.attention_norm = nn.RMSNorm(shape.hidden, eps=shape.epsilon)
        self.q = nn.Linear(shape.hidden, shape.hidden, bias=False)
        self.k = nn.Linear(shape.hidden, kv, bias=False)
        self.v = nn.Linear(shape.hidden, kv, bias=False)
        self.o = nn.Linear(shape.hidden, shape.hidden, bias=False)
        self.feed_norm = nn.RMSNorm(shape.hidden, eps=shape.epsilon)
        self.gate = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
        self.up = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
        self.down = nn.Linear(shape.feed_forward, shape.hidden, bias=False)

    def forward(self, x: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """X and the result are [rows, length, hidden]; turn holds cosines and sines, [length, head]."""
        x = x + self._attend(self.attention_norm(x), turn)
        y = self.feed_norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))

    def _attend(self, x: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        rows, length, _ = x.shape
        q, k, v = (part(x).view(rows, length, -1, self.shape.head).transpose(1, 2) for part in (self.q, self.k, self.v))
        q, k = rotate(q, turn), rotate(k, turn)
        groups = self.shape.heads // self.shape.kv_heads
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o(y.transpose(1, 2).reshape(rows, length, -1))


class Llama(nn.Module):
    """The decoder: token ids [rows, length] in, logits [rows, length, vocabulary] out."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.hidden)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.hidden, eps=shape.epsilon)
        self.head = nn.Linear(shape.hidden, shape.vocabulary, bias=False)
        angles = torch.outer(
            torch.arange(shape.context).float(),
            shape.rope_base ** (-torch.arange(0, shape.head, 2).float() / shape.head),
        ).repeat(1, 2)
        self.register_buffer("cosines", angles.cos(), persistent=False)
        self.register_buffer("sines", angles.sin(), persistent=False)
        self._start_weights()

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits for every position."""
        return self.head(self.hidden(ids))

    def hidden(self, ids: torch.Tensor) -> torch.Tensor:
        """The last hidden state of every position, [rows, length, hidden], ready for the head."""
        turn = self.cosines[: ids.shape[1]], self.sines[: ids.shape[1]]
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, turn)
        return self.norm(x)

    def _start_weights(self) -> None:
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                scale = (2 * self.shape.layers) ** -0.5 if name.endswith(("o.weight", "down.weight")) else 1.0
                nn.init.normal_(weight, std=0.02 if "embedding" in name else scale * weight.shape[1] ** -0.5)


def rotate(x: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Rotary positions over the two halves of each head; x is [rows, heads, length, head]."""
    cosines, sines = turn
    first, second = x.chunk(2, dim=-1)
    return x * cosines.to(x.dtype) + torch.cat((-second, first), dim=-1) * sines.to(x.dtype)


@torch.inference_mode()
def greedy(model: Llama, prompt: list[int], *, stop: int, limit: int = 64) -> list[int]:
    """The ids that greedy decoding adds to the prompt, with the stop id when it came."""
    ids = list(prompt)
    while len(ids) - len(prompt) < limit:
        ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
        if ids[-1] == stop:
            break
    return ids[len(prompt) :]
