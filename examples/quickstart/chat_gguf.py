"""Writes the example chat model as a GGUF file, and reads its weights back; it trains and judges nothing."""

import json
from pathlib import Path

import gguf
import numpy as np
import torch
from chat_model import Llama, Shape
from chat_tokens import BEGIN, END, PRE, SPECIALS, TEMPLATE
from tokenizers import Tokenizer

BLOCK_NAMES = {
    "attention_norm": "attn_norm",
    "q": "attn_q",
    "k": "attn_k",
    "v": "attn_v",
    "o": "attn_output",
    "feed_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}


def write_gguf(path: Path, model: Llama, *, tokenizer: Tokenizer, kind: str) -> None:
    """Write the model with its tokenizer and chat template; kind is `q8_0`, `q4_0` or `f32`. Norms stay in float32."""
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, model.shape, kind)
    _tokens(writer, tokenizer)
    quantised = {
        "f32": gguf.GGMLQuantizationType.F32,
        "q8_0": gguf.GGMLQuantizationType.Q8_0,
        "q4_0": gguf.GGMLQuantizationType.Q4_0,
    }[kind]
    for name, weight in tensors(model).items():
        if weight.ndim == 1:
            writer.add_tensor(name, weight)
            continue
        writer.add_tensor(name, gguf.quants.quantize(weight, quantised), raw_dtype=quantised)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read_weights(path: Path, shape: Shape) -> Llama:
    """The model with the weights of the file, dequantised to float32."""
    stored = {t.name: np.array(gguf.quants.dequantize(t.data, t.tensor_type)) for t in gguf.GGUFReader(path).tensors}
    model = Llama(shape)
    state = {}
    for name, ours in _names(shape).items():
        weight = stored[name].astype(np.float32).reshape(model.state_dict()[ours].shape)
        heads = _heads(name, shape)
        state[ours] = torch.from_numpy(unpermute(weight, heads) if heads else weight)
    model.load_state_dict(state)
    return model.eval()


def tensors(model: Llama) -> dict[str, np.ndarray]:
    """The weights in float32 under GGUF's names, the rows of q and k in ggml's order."""
    state = model.state_dict()
    found = {}
    for name, ours in _names(model.shape).items():
        weight = state[ours].detach().float().numpy()
        heads = _heads(name, model.shape)
        found[name] = permute(weight, heads) if heads else weight
    return found


def permute(weight: np.ndarray, heads: int) -> np.ndarray:
    """From halves to neighbours: ggml turns rows 2i and 2i+1 of a head together, this model rows i and i + head/2."""
    rows, columns = weight.shape
    return np.ascontiguousarray(
        weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)
    )


def unpermute(weight: np.ndarray, heads: int) -> np.ndarray:
    """The inverse of `permute`."""
    rows, columns = weight.shape
    return np.ascontiguousarray(
        weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
    )


def _describe(writer: gguf.GGUFWriter, shape: Shape, kind: str) -> None:
    writer.add_name("Modelwright quickstart chat")
    writer.add_license("Apache-2.0")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(gguf.LlamaFileType[{"f32": "ALL_F32", "q8_0": "MOSTLY_Q8_0", "q4_0": "MOSTLY_Q4_0"}[kind]])


def _tokens(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE)
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_types([control if token in SPECIALS else normal for token, _ in vocabulary])
    writer.add_token_merges(merges(tokenizer))
    writer.add_bos_token_id(tokenizer.token_to_id(BEGIN))
    writer.add_eos_token_id(tokenizer.token_to_id(END))
    writer.add_pad_token_id(tokenizer.token_to_id(END))
    writer.add_add_bos_token(value=False)  # the chat template writes it
    writer.add_chat_template(TEMPLATE)


def merges(tokenizer: Tokenizer) -> list[str]:
    """The merge rules in order, each `left right`."""
    found = json.loads(tokenizer.to_str())["model"]["merges"]
    return [rule if isinstance(rule, str) else " ".join(rule) for rule in found]


def _names(shape: Shape) -> dict[str, str]:
    names = {
        "token_embd.weight": "embedding.weight",
        "output_norm.weight": "norm.weight",
        "output.weight": "head.weight",
    }
    for layer in range(shape.layers):
        for ours, theirs in BLOCK_NAMES.items():
            names[f"blk.{layer}.{theirs}.weight"] = f"blocks.{layer}.{ours}.weight"
    return names


def _heads(name: str, shape: Shape) -> int:
    if "attn_q" in name:
        return shape.heads
    return shape.kv_heads if "attn_k" in name else 0
