"""Reads what a tensor model takes and gives, in a process of its own: a bad file must not take the command with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec

from modelwright.app.plugins import ENGINES, chosen_engine, tensor_engine
from modelwright.core.contracts.model import Tensors
from modelwright.core.ports.engines import EngineConfig

WITHIN = 60.0
"""Seconds that an engine may take to load it."""
_TENSORS = "v2"


def read_signature(path: Path, found: str) -> Tensors | None:
    """None when no engine of tensors reads the format, is installed, or can load the file."""
    kind = chosen_engine(found) if found else ""
    if not kind or ENGINES[kind].wire != _TENSORS:
        return None
    words = [sys.executable, "-m", __name__, kind, str(path.absolute())]
    try:
        done = subprocess.run(words, capture_output=True, timeout=WITHIN, check=True)
        return msgspec.json.decode(done.stdout.rpartition(b"\n")[2], type=Tensors)
    except (OSError, subprocess.SubprocessError, msgspec.MsgspecError):
        return None


def main() -> None:
    """The child: kind and path are its arguments, its last line is the signature."""
    kind, path = sys.argv[1:]
    engine = tensor_engine(kind)
    signature = engine.load(EngineConfig(model="model", path=path))
    tensors = Tensors(inputs=signature.inputs, outputs=signature.outputs)
    sys.stdout.write(msgspec.json.encode(tensors).decode())


if __name__ == "__main__":
    main()
