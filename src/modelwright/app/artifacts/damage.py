"""What is wrong with a model's file before anything loads it: cut short, damaged, or made to become huge.

One table: `_LOOKS`. Formats that are not in it are looked at by the engine that loads them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from modelwright.adapters.engines.gguf_header import check_gguf
from modelwright.adapters.engines.ir_file import check_ir
from modelwright.adapters.engines.onnx_file import check_onnx
from modelwright.adapters.engines.skops_file import check_skops
from modelwright.adapters.engines.tflite_file import check_tflite
from modelwright.app.artifacts.formats import GGUF, ONNX, OPENVINO, SKOPS, TFLITE
from modelwright.app.artifacts.llm_folders import OPENVINO_LLM

REMEDY = "download or copy it again, with all that belongs to it, and compare its digest"
_LOOKS: Mapping[str, tuple[str, Callable[[Path], None]]] = {
    GGUF: (".gguf", check_gguf),
    ONNX: (".onnx", check_onnx),
    SKOPS: (".skops", check_skops),
    TFLITE: (".tflite", check_tflite),
    OPENVINO: (".xml", check_ir),
    OPENVINO_LLM: (".xml", check_ir),
}
"""By format: how its file is called in a folder, and what looks at it."""


def damage_of(path: Path, found: str) -> str:
    """What is wrong with a file or folder of this format, with the place in it; empty when nothing is."""
    if found not in _LOOKS:
        return ""
    suffix, look = _LOOKS[found]
    try:
        for file in sorted(path.glob(f"*{suffix}")) if path.is_dir() else [path]:
            look(file)
    except (ValueError, OSError) as error:
        return str(error)
    return ""
