"""OpenVINO models made on the spot from ONNX ones, by the library's own converter."""

from pathlib import Path

import openvino as ov


def converted(source: Path, path: Path) -> Path:
    """Write the IR: `path` with its `.bin` beside it, in 32 bits as the source."""
    ov.save_model(ov.Core().read_model(source), path, compress_to_fp16=False)
    return path
