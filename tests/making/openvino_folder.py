"""Makes a folder as `optimum-cli export openvino` writes it, with the very model that tiny_gguf makes, for tests."""

import json
from pathlib import Path

import openvino_genai as genai

from modelwright.adapters.engines.gguf import build_tokenizer, read_gguf
from tests.making.tiny_gguf import HEADS, HIDDEN, KV_HEADS, LAYERS, TEMPLATE, write_tiny_gguf


def write_openvino_folder(folder: Path, *, context: int = 128) -> Path:
    """Write it; its answers are those of the GGUF file, which stays beside it as `tiny.gguf`."""
    folder.mkdir(parents=True)
    gguf = write_tiny_gguf(folder.parent / "tiny.gguf", context=context)
    scheduler = genai.SchedulerConfig()
    scheduler.num_kv_blocks = 4
    genai.ContinuousBatchingPipeline(str(gguf), scheduler, "CPU", {"enable_save_ov_model": True})
    for name in ("openvino_model.xml", "openvino_model.bin"):
        (folder.parent / name).rename(folder / name)
    model = read_gguf(gguf)
    build_tokenizer(model).save(str(folder / "tokenizer.json"))
    config = {
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "vocab_size": model.vocabulary,
        "max_position_embeddings": context,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": list(model.eos)}))
    tokenizer = {"eos_token": model.tokens[model.eos[0]], "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    return folder
