"""Keeps what was found out about a model's speed: a file for each model, engine and machine under the state folder."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

import msgspec

from modelwright.app.parts import ModelPart
from modelwright.app.whole_file import write_whole
from modelwright.serving.tuning import Memory, Tuned

FOLDER = "tuning"


def memory_of(part: ModelPart, state: str) -> Memory:
    """What is recalled is of the same artifact, the same settings and the same kind of machine, or there is nothing."""
    file = Path(state) / FOLDER / f"{_name(part)}.json"

    def recall() -> Tuned | None:
        try:
            return msgspec.json.decode(file.read_bytes(), type=Tuned)
        except (OSError, msgspec.MsgspecError):
            return None

    def keep(found: Tuned) -> None:
        if part.digest:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(file, msgspec.json.encode(found))

    return Memory(recall=recall, keep=keep)


def _name(part: ModelPart) -> str:
    settings = (part.digest, part.engine, part.precision, part.device, part.options, part.threads, part.max_rows)
    machine = (platform.machine(), _processor(), os.cpu_count())
    return hashlib.sha256(msgspec.json.encode((settings, machine))).hexdigest()[:32]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
